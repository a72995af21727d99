"""Tables that honest people write and nobody expects: read as they mean them, refused with a way on, or warned of."""

# ruff: noqa: RUF001 - letters that look alike are what this is about

import shlex
from collections import Counter

import pytest

from stargan_fw.config_layers import Layer
from stargan_fw.errors import DataError
from stargan_fw_plugins.datasets.spellings import PAIRS
from stargan_fw_plugins.datasets.table import Table
from stargan_fw_registry import Binary, Categorical, Exclusive

ROWS = 24


@pytest.fixture
def write(tmp_path):
    """Writes a text beside images: `write("image,x\\n0.jpg,1\\n", images=["0.jpg"]) -> path`."""

    def write(text, images=tuple(f"{row}.jpg" for row in range(ROWS)), name="labels.csv"):
        for image in images:
            (tmp_path / image).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / image).write_text(image)
        (tmp_path / name).write_text(text, encoding="utf-8", newline="")
        return tmp_path / name

    return write


def table(header, *cells):
    """The text of a table whose rows repeat some cells."""
    return "\n".join([f"image,{header}", *(f"{row}.jpg,{cells[row % len(cells)]}" for row in range(ROWS))]) + "\n"


def count(path, **options):
    dataset = Table(path, **options)
    examples = dataset.examples()
    return {a.name: a for a in dataset.attributes}, {
        name: Counter(example.labels[name] for example in examples) for name in examples[0].labels
    }


def remarks(path, **options):
    dataset = Table(path, **options)
    dataset.examples()
    return " ".join(dataset.remarks)


def refusal(path, **options):
    with pytest.raises(DataError) as caught:
        Table(path, **options).examples()
    return str(caught.value)


def pasted(message, which=0):
    """Returns the options of a line of a message, as the command line reads them."""
    line = [part for part in message.replace(" --set", "\n--set").splitlines() if part.startswith("--set")]
    (word,) = [shlex.split(part.rstrip(")."))[1] for part in line[which : which + 1]]
    return Layer.from_settings([word]).values["datasets"]["NAME"]


@pytest.mark.parametrize("title", ["My pets 2021,,", "My pets 2021", "My pets 2021\n", "My pets 2021,,\n,,"])
@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_a_title_above_the_header_is_said_and_passed_over(write, title, sign):
    text = f"{title}\n" + table("sex,species", "m,cat", "f,cat", "m,dog", "f,dog")
    path = write(text.replace(",", sign))
    assert count(path)[1] == {"sex": {"m": 12, "f": 12}, "species": {"cat": 12, "dog": 12}}
    assert "'My pets 2021' above the header of 'labels.csv' is a title" in remarks(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (table("species", "cat", "dog") + "Total,24\n", "line 26, column image: 'Total' is no name of an image."),
        (table("species", "cat", "dog") + ",24\n", "line 26, column image: empty, but a path of an image"),
        (
            table("species", "cat", "dog") + "Summe:,24\nMittel,12\n",
            "'Summe:' is no name of an image. 2 rows are like this.",
        ),
        (
            table("species", "cat", "dog").replace("\n", "\nfile,text\n", 1),
            "line 2, column image: 'file' is no name of",
        ),
    ],
)
def test_rows_that_are_no_images_are_left_out_by_the_line(write, text, said):
    path = write(text)
    message = refusal(path)
    assert said in message
    assert count(path, **pasted(message))[1] == {"species": {"cat": 12, "dog": 12}}


def test_a_line_that_leaves_out_rows_keeps_the_condition_that_is_set(write):
    path = write(table("species,n", "cat,1", "dog,2", "cow,3") + '"All, of ""them""",24,\n')
    message = refusal(path, where="n != 3 and species != ''", labels=["species"])
    assert "where = " not in message
    path = write(table("species,n", "cat,1", "dog,2", "cow,3") + "Total,x,4\n")
    options = pasted(refusal(path, where="n != 3", labels=["species"]))
    assert options["where"] == 'n != 3 and image not in ["Total"]'
    assert count(path, labels=["species"], **options)[1] == {"species": {"cat": 8, "dog": 8}}


def test_a_header_is_no_title_if_cells_hold_commas(write):
    rows = [f"{row}.jpg\t{'mf'[row % 2]}\tblurred, but usable" for row in range(ROWS)]
    assert count(write("\n".join(["image\tsex\tnote", *rows])))[1] == {"sex": {"m": 12, "f": 12}}
    assert count(write("\n".join(["Pets of 2021", "", "image\tsex\tnote", *rows])))[1] == {"sex": {"m": 12, "f": 12}}


def test_joined_files_with_their_headers_and_marks_are_one(write):
    first, second = (
        "\n".join(["image,sex", *(f"{row}.jpg,{'mf'[row % 2]}" for row in rows)]) for rows in (range(12), range(12, 24))
    )
    path = write(f"\ufeff{first}\n\ufeff{second}\n")
    assert count(path)[1] == {"sex": {"m": 12, "f": 12}}
    assert "the header of 'labels.csv' is there 2 times" in remarks(path)


@pytest.mark.parametrize("cells", [("m,", "f,"), ("m", "f")])
@pytest.mark.parametrize("header", ["sex", "sex,", "sex,,"])
def test_separators_at_the_ends_of_lines_are_nothing(write, cells, header):
    assert count(write(table(header, *cells)))[1] == {"sex": {"m": 12, "f": 12}}


@pytest.mark.parametrize(
    ("header", "cells", "reason"),
    [
        ("price", ['"1,234"', '"2,345"', '"12,000"'], "3 numbers from 1234 to 12000: amounts"),
        ("share", ["12.5%", "55 %", "7%"], "3 numbers from 7 to 55: amounts"),
        ("age", ["35 yrs", "40 yrs", "61 years"], "3 numbers from 35 to 61: amounts"),
        ("body", ["1.80 m", "1.75 m", "1.62m"], "3 numbers from 1.62 to 1.8: amounts"),
        ("cost", ["$1.50", "$2.75", "€3.10"], "3 numbers from 1.5 to 3.1: amounts"),
        ("taken", ["12-Mar-20", "13-Apr-21", "1-May-21"], "dates, such as '12-Mar-20'"),
        ("taken", ["March 2020", "April 2021", "Mai 2021"], "dates, such as 'March 2020'"),
        ("taken", ["1st of May 2021", '"June 3rd, 2020"', "2021年3月1日"], "dates, such as"),
    ],
)
def test_amounts_with_units_and_dates_in_words_are_left_out(write, header, cells, reason):
    path = write(table(f"{header},sex", *(f"{cell},{sex}" for cell, sex in zip(cells * 2, "mfmfmf", strict=True))))
    assert count(path)[1] == {"sex": {"m": 12, "f": 12}}
    assert reason in remarks(path)


@pytest.mark.parametrize(("header", "cells"), [("share", ["0%", "50%", "100%"]), ("born", ["2 yrs", "3 yrs", "4 yrs"])])
def test_few_whole_amounts_with_units_are_in_doubt(write, header, cells):
    path = write(table(header, *cells))
    message = refusal(path)
    assert "are classes, or amounts" in message
    assert list(count(path, **pasted(message))[0]) == [header]


@pytest.mark.parametrize(
    "cells", [["40X", "100X", "400X"], ["<30", "30+"], ["0-2", "3-9"], ["1st", "2nd"], ["5p", "3D"]]
)
def test_classes_with_digits_stay_classes(write, cells):
    attributes, _ = count(write(table("kind", *cells)))
    assert attributes["kind"] == Categorical("kind", sorted(cells))


def test_commas_of_thousands_are_not_decimal_ones(write):
    cells = ["1,234", "999", "12,000"]
    path = write(table("views,sex", *(f'"{cell}",{sex}' for cell, sex in zip(cells * 2, "mfmfmf", strict=True))))
    assert sum(count(path, labels=["sex"], where="views > 1200")[1]["sex"].values()) == 16
    assert sum(count(path, labels=["sex"], where="views < 1000")[1]["sex"].values()) == 8
    rows = [f"{row}.jpg;{['1,234', '0,999', '12,000', '3,5'][row % 4]};{'mf'[row % 2]}" for row in range(ROWS)]
    path = write("\n".join(["image;views;sex", *rows]))
    assert sum(count(path, labels=["sex"], where="views < 2")[1]["sex"].values()) == 12


@pytest.mark.parametrize("pair", [pair for pair in PAIRS.split("|") if "-" not in pair.split(" ")])
def test_yes_and_no_in_other_words_are_learned_as_one_label_by_the_line(write, pair):
    yes, no = pair.split(" ")
    path = write(table("x", yes, no, yes, ""))
    assert isinstance(count(path)[0]["x"], Categorical)
    attributes, counts = count(path, **pasted(remarks(path)))
    assert attributes == {"x": Binary("x")}
    assert counts == {"x": {True: 12, False: 6, None: 6}}


@pytest.mark.parametrize("tick", ["x", "X", "✓", "✔", "✔\ufe0f", "•", "ja", "Oui", "✅"])
def test_ticks_beside_empty_cells_are_left_out_with_a_line_that_learns_them(write, tick):
    path = write(table("x,sex", f"{tick},m", ",f", ",m", ",f"))
    message = remarks(path)
    assert list(count(path)[0]) == ["sex"]
    attributes, counts = count(path, **pasted(message))
    assert attributes["x"] == Binary("x")
    assert counts["x"] == {True: 6, False: 18}
    assert "if an empty cell means no" in refusal(path, labels=["x"])


def test_plus_and_minus_are_no_several_labels(write):
    path = write(table("x", "+", "-"))
    assert "separator" not in remarks(path)
    assert count(path)[1] == {"x": {"+": 12, "-": 12}}


def test_columns_that_say_the_same_are_named_with_a_line_that_learns_each_once(write):
    path = write(
        table("species,is_cat,dog,Tier,old", "cat,1,0,Katze,1", "dog,0,1,Hund,0", "bird,0,0,Vogel,1", "cat,1,0,Katze,0")
    )
    message = remarks(path)
    assert "'is_cat' says no more than 'species'" in message
    assert list(count(path, **pasted(message))[0]) == ["species", "old"]


def test_a_column_that_disagrees_with_one_of_classes_is_named(write):
    path = write(table("species,cat", "cat,1", "dog,0", "bird,0", "cat,0"))
    assert "columns 'species' and 'cat' disagree about 'cat' in 6 of 24 rows" in remarks(path).replace(
        "Columns", "columns"
    )


def test_columns_of_which_each_image_has_one_are_classes_by_the_line(write):
    path = write(table("cat,dog,bird", "1,0,0", "0,1,0", "0,0,1"))
    attributes, _ = count(path, **pasted(remarks(path)))
    assert attributes == {"class": Exclusive("class", ["cat", "dog", "bird"])}


def test_columns_that_differ_are_not_said_to_be_the_same(write):
    path = write(table("a,b,c,d", "1,0,x,p", "1,1,y,q", "0,1,x,q", "0,0,y,p", "1,0,x,q"))
    assert remarks(path) == ""


@pytest.mark.parametrize(
    "cells",
    [
        ("m", "m\u200b", "f", "f\ufeff"),
        ("\u200bm", "m\u200e", "\u2060f", "f"),
        ("m", "m\u00a0", "\u3000f", "f"),
        ("m", "\u00adm", "f", "f\u200d"),
    ],
)
def test_signs_that_nobody_sees_make_no_class(write, cells):
    assert count(write(table("sex\u200b", *cells)))[1] == {"sex": {"m": 12, "f": 12}}


@pytest.mark.parametrize("cell", ["red\u00a0hair", "red\u3000hair", '"red\nhair"', '"red \r\n hair"', "re\u00add hair"])
def test_blanks_of_all_kinds_are_one(write, cell):
    assert count(write(table("hair", "red hair", cell, "black")))[1] == {"hair": {"red hair": 16, "black": 8}}


def test_a_table_of_windows_may_have_no_other_sign_than_a_blank(write):
    path = write("")
    path.write_bytes(table("breed", "Great\u00a0Dane", "Pug").encode("cp1252"))
    assert count(path)[1] == {"breed": {"Great Dane": 12, "Pug": 12}}


def test_a_line_break_in_the_header_is_a_blank(write):
    assert list(count(write(table('"hair\ncolour"', "a", "b")))[0]) == ["hair colour"]


@pytest.mark.parametrize(
    ("cells", "one"),
    [
        (["A", "Ａ", "B"], "A"),
        (["A", "А", "B"], "A"),
        (["red-hair", "red‑hair", "red hair", "black"], "red-hair"),
        (["O'Neil", "O’Neil", "D'Arc"], "O'Neil"),
        (["cat", "cat.", "dog"], "cat"),
        (["Male", "male ", "MALE", "Female"], "male"),
        (["k01", "K01", "k02"], "k01"),
    ],
)
def test_spellings_of_one_word_are_one_class_by_the_line(write, cells, one):
    path = write(table("kind", *cells))
    message = refusal(path)
    assert "only" in message
    values = count(path, **pasted(message))[1]["kind"]
    assert len(values) == 2
    assert one in values
    assert len(count(path, **pasted(message, 1))[1]["kind"]) == len({cell.strip() for cell in cells})


def test_leading_zeros_are_no_class_of_their_own(write):
    path = write(table("grade", "01", "1", "02", "2"))
    assert "'01', '1' differ in" in refusal(path)
    assert count(write(table("grade", "01", "02", "03")), labels=["grade"])[1]["grade"] == {"01": 8, "02": 8, "03": 8}
    assert count(write(table("grade", "1.0", "2", "", "2.0")), labels=["grade"])[1]["grade"] == {
        "1": 6,
        "2": 12,
        None: 6,
    }


@pytest.mark.parametrize("word", ["unbekannt", "k.A.", "Inconnu", "desconocido", "неизвестно", "不明"])
def test_unknown_in_other_languages_is_unknown(write, word):
    assert count(write(table("old", "yes", "no", word)))[1] == {"old": {True: 8, False: 8, None: 8}}
    assert "is a class, or says that nothing is known" in refusal(write(table("kind", "cat", "dog", word)))


@pytest.mark.parametrize("name", ["sex.1", "Nr.", "St. Bernard", "Version 2.0"])
def test_a_dot_in_a_header_is_no_nesting_unless_a_name_follows(write, name):
    assert list(count(write(table(name, "a", "b")))[0]) == [name]


def test_ranges_that_a_spreadsheet_made_dates_of_are_named(write):
    path = write(table("group", "0-2", "Mar-09", "Oct-19", "20-29"))
    assert "turned ranges into dates: 'Mar-09', 'Oct-19'" in remarks(path)


@pytest.mark.parametrize(
    ("cell", "file"),
    [
        ("d/{}%20a.jpg", "d/{} a.jpg"),
        ("d/{}%20a.jpg", "d/{}%20a.jpg"),
        ("https://example.org/d/{}.jpg?size=3", "d/{}.jpg"),
        ("https://example.org/x/{}%20a.jpg#top", "{} a.jpg"),
        ("s3://bucket/d/{}.jpg", "d/{}.jpg"),
        ("é{}.jpg", "e\u0301{}.jpg"),
        ("e\u0301{}.jpg", "É{}.jpg"),
        ("\u200b{}.jpg\u200b", "{}.jpg"),
        (".\\d//{}.jpg", "d/{}.jpg"),
    ],
)
def test_paths_are_found_however_they_are_written(write, cell, file):
    images = [file.format(row) for row in range(ROWS)]
    rows = [f"{cell.format(row)},{'mf'[row % 2]}" for row in range(ROWS)]
    examples = Table(write("\n".join(["image,sex", *rows]), images)).examples()
    assert [(e.image.read_text(), e.labels["sex"]) for e in examples] == [
        (name, "mf"[i % 2]) for i, name in enumerate(images)
    ]


def test_a_name_that_two_files_could_have_is_refused(write):
    images = [*(f"a{row}.jpg" for row in range(4)), *(f"A{row}.jpg" for row in range(4))]
    path = write("\n".join(["image,sex", *(f"a{row}.JPG,{'mf'[row % 2]}" for row in range(4))]), images)
    assert "there is no image" in refusal(path)


@pytest.mark.parametrize(
    "cells",
    [
        ("\"['hat', 'old']\"", "\"['old']\"", "[]", ""),
        ('"[""hat"", ""old""]"', '"[""old""]"', "[]", ""),
        ('"{hat,old}"', "{old}", "{}", ""),
    ],
)
def test_lists_that_are_written_as_texts_are_several_labels_by_the_line(write, cells):
    path = write(table("tags,sex", *(f"{cell},{sex}" for cell, sex in zip(cells, "mfmf", strict=True))))
    assert list(count(path)[0]) == ["sex"]
    attributes, counts = count(path, **pasted(remarks(path)))
    assert list(attributes) == ["hat", "old", "sex"]
    assert counts["hat"] == {True: 6, False: 12, None: 6}
    assert counts["old"] == {True: 12, False: 6, None: 6}


def test_brackets_alone_make_no_list(write):
    assert count(write(table("kind", "[1]", '"[2, 3]"')))[1]["kind"] == {"[1]": 12, "[2, 3]": 12}
    assert count(write(table("kind", "[a]", "[b]")))[1]["kind"] == {"[a]": 12, "[b]": 12}


def test_a_plus_before_one_is_yes(write):
    assert count(write(table("old", "+1", "-1")))[1]["old"] == {True: 12, False: 12}


def test_a_second_table_in_a_file_is_named(write):
    rows = [f"{row}.jpg,{'mf'[row % 2]}" for row in range(12)]
    path = write("\n".join(["image,sex", *rows, "", "image,species", *(f"{row}.jpg,cat" for row in range(12, 24))]))
    message = refusal(path)
    assert "line 15, column image: here another table begins, with other columns" in message
    assert "where" not in message
