"""The remedies that a wrong request is told are tried: what the message says to add or to run is taken from it, and works.

Each trial is a command that is refused, words of its message, and how the message is followed. A remedy that names an option,
a command or a name has to be tried here, to be tried by the test that ELSEWHERE names, or to be in UNTRIED with the reason.
What is left are remedies in words alone, such as "Restore the data": nobody can paste them.
"""

import importlib
import re
import shlex
import shutil
import sys
import tomllib
from pathlib import Path

import pytest
from PIL import Image

TESTS = Path(__file__).resolve().parent.parent
WORD = r"(?:'[^']*'|\"[^\"]*\"|[^\s';])+"
ROWS = 24
TABLES = {  # by the name of the table: header and cells, of which each row takes the next
    "moods": ("image,mood", "glad", "sad"),
    "splits": ("image,mood,split", "glad,train", "sad,train", "glad,prüfung"),
    "half": ("image,mood,split", "glad,train", "sad,test", "glad,train", "sad,"),
    "alike": ("image,mood,split", "glad,train", "glad,train", "sad,test"),
    "ages": ("image,mood,age", "glad,20", "sad,30.5", "glad,41", "sad,61"),
    "odd_ages": ("image,mood,age", *["glad,20", "sad,30", "glad,41", "sad,61", "glad,35", "sad,44"] * 3, "glad,old"),
    "hair": ("image,black,blond", "1,0", "0,1", "1,1", "0,0"),
    "codes": ("image,code,mood", *(f"{number % 5},{('glad', 'sad')[number % 2]}" for number in range(ROWS))),
    "smiles": ("image,smile", "yes", "no", "maybe"),
    "sizes": ("image,size,mood", *(f"{number * 7 % 30},{('glad', 'sad')[number % 2]}" for number in range(ROWS))),
}


def draw(file: Path, number: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (32, 32), (number * 9 % 256, number * 31 % 256, 90)).save(file)


@pytest.fixture(scope="module")
def place(tmp_path_factory, small_data, request):
    """A folder with data of every kind, right and wrong; what a trial writes goes to `out`."""
    root = tmp_path_factory.mktemp("remedies")
    for number in range(ROWS):
        draw(root / f"{number}.png", number)
        draw(root / f"pets/{('cat', 'dog')[number % 2]}/{number}.png", number)
        draw(root / f"levels/{('anna', 'bert')[number % 2]}/{('glad', 'sad')[number // 2 % 2]}/{number}.png", number)
        draw(root / f"faces/{('happy', 'sad', 'silly')[number % 3]}/{number}.png", number)
        draw(root / f"apart/photos/{number}.png", number)
    shutil.copytree(root / "pets", root / "broken")
    (root / "broken/cat/2.png").write_text("no picture")
    for name, (header, *cells) in TABLES.items():
        rows = [f"{number}.png,{cells[number % len(cells)]}" for number in range(ROWS)]
        (root / f"{name}.csv").write_text("\n".join([header, *rows]), encoding="utf-8")
    moods = (root / "moods.csv").read_text()
    (root / "apart/lists").mkdir()
    (root / "apart/lists/moods.csv").write_text(moods)
    (root / "apart/lists/up.csv").write_text(re.sub(r"(?m)^(\d)", r"../photos/\1", moods))
    (root / "pairs.csv").write_text(
        re.sub(r"(?m)^(\w+(?:\.png)?),", r"left_\1,\1,", moods)
        .replace("left_image,image", "left,right")
        .replace("left_", "")
    )
    (root / "more.csv").write_text(moods.replace("\n3.png,", "\nnone,"))
    shutil.copytree(small_data / "celeba", root / "celebs")
    first, *_ = sorted((root / "celebs/img_align_celeba").iterdir())
    first.unlink()
    (root / "pets.py").write_text("")
    shutil.copytree(small_data / "rafd", root / "up/rafd")
    for part in ("train/happy", "train/silly", "test/happy", "test/silly"):
        for number in range(6):
            draw(root / f"sided/{part}/{number}.png", number)
    shutil.copytree(root / "apart/photos", root / "two")
    for name in ("a", "b"):
        shutil.copy(root / "moods.csv", root / f"two/{name}.csv")
    damaged = shutil.copytree(small_data / "celeba", root / "damaged")
    text = (damaged / "list_attr_celeba.txt").read_text().splitlines()
    rows = [",".join([*line.split()[:-1], "5"]) for line in text[2:]]
    (damaged / "list_attr_celeba.csv").write_text("\n".join([f"image_id,{','.join(text[1].split())}", *rows]))
    (damaged / "list_attr_celeba.txt").unlink()
    images = sorted(file.name for file in (small_data / "celeba/img_align_celeba").iterdir())
    listed = shutil.copytree(small_data / "celeba", root / "listed")
    (listed / "list_eval_partition.txt").write_text(
        "".join(f"{name} {number % 3}\n" for number, name in enumerate(images[:9]))
    )
    shutil.copytree(root / "apart/photos", root / "called")
    (root / "called/train.csv").write_text(moods)
    (root / "called/test.csv").write_text(moods.replace("mood", "mind"))
    (root / "taken/0-happy.png").mkdir(parents=True)
    shutil.copytree(request.getfixturevalue("trained_once"), root / "headless")
    (root / "headless/config.toml").unlink()
    return root


@pytest.fixture
def words(place, small_data, tmp_path, request):
    """What the capital words in a trial stand for."""
    run, face = request.getfixturevalue("trained_once"), min((small_data / "celeba").rglob("*.jpg"))
    return {"RUN": run, "FACE": face, "DATA": small_data, "HERE": place, "OUT": tmp_path}


# How a message is followed: each returns the commands to run next, made of the refused one and the message.


def add(arguments, said, number=0):
    """Adds an option of the dataset or of the configuration that the message writes out."""
    return [[*arguments, *shlex.split(re.findall(rf"--set {WORD}", said)[number].rstrip(".,"))]]


def add_last(arguments, said):
    return add(arguments, said, -1)


def correct(wrong):
    """Writes the name that the message thinks was meant."""

    def follow(arguments, said):
        meant = re.search(r"did you mean ['\"](.+?)['\"]\?", said)[1]
        return [[argument.replace(wrong, meant) for argument in arguments]]

    return follow


def use(option, value=None, short=None):
    """Gives the option that the message names this value, or the one that the message writes out."""

    def follow(arguments, said):
        assert option in said
        given = value or shlex.split(re.search(rf"{option} ({WORD})", said)[1])[0].rstrip(".")
        written = short or option
        if written not in arguments:
            return [[*arguments, option, given]]
        at = arguments.index(written)
        return [[*arguments[: at + 1], given, *arguments[at + 2 :]]]

    return follow


def switch_on(option):
    """Adds the option, which takes no value."""

    def follow(arguments, said):
        assert f"add {option}" in said.lower()
        return [[*arguments, option]]

    return follow


def leave_out(option, values=1):
    def follow(arguments, said):
        assert re.search(rf"[Ll]eave (that|it|{option}).* out|Leave out|[Uu]se {option} once", said)
        at = arguments.index(option)
        return [[*arguments[:at], *arguments[at + 1 + values :]]]

    return follow


def run_line(*more):
    """Runs the command that the message ends with, and if there is more to do, the refused one again."""

    def follow(arguments, said):
        line = shlex.split(re.search(r"stargan-fw ([a-z].*)", said)[1])
        return [[*line, *more], *([arguments] if line[0] == "data" else [])]

    return follow


def replace(words, pattern):
    """Writes what the message shows instead of what was written."""
    return lambda arguments, said: [[one.replace(words, re.search(pattern, said)[1]) for one in arguments]]


CHECK = "data check --datasets "
TINY = (
    " --preset stargan_64 --dry-run --set data.image_size=32 --set training.batch_size=4 --set generator.conv_dim=4"
    " --set generator.repeat_num=1 --set discriminator.conv_dim=4 --set training.steps=4 --out OUT/run"
)
GROUP = " --set \"datasets.table.exclusive.hair=['black','blond']\" --set datasets.table.on_contradiction=error"
PETS = "train --datasets folder:HERE/pets" + TINY
GO_ON = "train --resume --out RUN --dry-run"
TRANSLATE = "translate RUN FACE --to happy --device cpu -o OUT/done"


def a_new_one(arguments, said):
    """Names a dataset of the user's own instead of NEW."""
    return [[one.replace("NEW", "more=rafd:DATA/rafd") for one in use("--datasets")(arguments, said)[0]]]


def image_root(folder):
    """Names the folder of the images, which only the user knows."""
    return lambda arguments, said: [[one.replace("FOLDER", f"HERE/{folder}") for one in add(arguments, said)[0]]]


TRIALS = [  # the command that is refused, words of the message, how it is followed
    # data
    (
        "train --datasets celeba --data OUT/none" + TINY,
        "or draw stand-in data",
        run_line("--images", "12", "--people", "2"),
    ),
    (
        CHECK + "celeba:DATA/celeba/img_align_celeba",
        "list_attr_celeba.txt. It seems to be one level off",
        use("--datasets"),
    ),
    (CHECK + "rafd:HERE/up/rafd/nowhere", "test/<expression>/. It seems to be one level off", use("--datasets")),
    (
        CHECK + "celeba:DATA/celeba --set \"datasets.celeba.attributes=['Smilin','Male']\"",
        "celeba: `attributes` names",
        correct("Smilin"),
    ),
    (CHECK + "celeba:HERE/celebs", "or train on the others", add),
    (CHECK + "folder:HERE/broken", "Replace them, or leave them out", add),
    (
        "train --datasets folder:HERE/broken" + TINY.replace("--dry-run", "--max-steps 1"),
        "or leave such images out",
        add,
    ),
    (CHECK + "folder:HERE/pets --set datasets.folder.test_split=person", "is split by person", add),
    (CHECK + "folder:HERE/pets --set datasets.folder.test_split=given", "is split as given", add),
    (CHECK + "folder:HERE/levels", "Which are the classes? Say so", add),
    (CHECK + "folder:HERE/levels", "Which are the classes? Say so", add_last),
    (CHECK + "rafd:HERE/faces", "Or take the folders for classes", use("--datasets")),
    (CHECK + "rafd:HERE/sided", "is not an expression of RaFD", use("--datasets")),
    (CHECK + "table:HERE/alike.csv", "or divide them anew", add),
    (CHECK + "table:HERE/splits.csv", "is not the name of a split", add),
    (CHECK + "table:HERE/pairs.csv", "name the column of image paths", add),
    (CHECK + "table:HERE/more.csv", "is no name of an image", add),
    (
        CHECK + "table:HERE/apart/lists/moods.csv",
        "name the folder that the paths start from",
        image_root("apart/photos"),
    ),
    (CHECK + "table:HERE/apart/lists/up.csv", "points outside of", add),
    (
        CHECK + "table:HERE/none.csv",
        "no such file or folder. Name the table",
        use("--datasets", "table:HERE/moods.csv"),
    ),
    (CHECK + "table:HERE/two", "the folder holds", use("--datasets", "table:HERE/two/a.csv")),
    (CHECK + "table:HERE/codes.csv", "add: --set", add),
    (CHECK + "table:HERE/ages.csv --set \"datasets.table.labels=['mood','age']\"", "or learn it as a number", add_last),
    (CHECK + "table:HERE/ages.csv --set datasets.table.continuous.age=[20,50]", "Widen the range", add),
    (CHECK + "table:HERE/odd_ages.csv --set datasets.table.continuous.age=data", "If nothing is known there", add),
    (CHECK + "table:HERE/moods.csv --set \"datasets.table.labels=['moood']\"", "no column '", correct("moood")),
    (CHECK + "table:HERE/moods.csv --set datasets.table.values.mood.glaad=merry", "no cell is '", correct("glaad")),
    (CHECK + "table:HERE/smiles.csv --set datasets.table.values.smile.yes=true", "is neither yes nor no", add),
    (CHECK + "table:HERE/hair.csv" + GROUP, "or let the group count as unknown", add),
    ("train --datasets table:HERE/hair.csv" + GROUP + TINY, "or let such groups be unknown", add),
    (
        "train --datasets table:HERE/ages.csv --set datasets.table.continuous.age=[20,70]"
        + TINY.replace("stargan_64", "cyclegan_64"),
        "train one model for all values",
        use("--preset"),
    ),
    (
        "train --datasets rafd --data OUT/none" + TINY,
        "or draw stand-in data",
        run_line("--images", "12", "--people", "3"),
    ),
    (
        "reproduce fig7 --dry-run --data OUT/none --runs OUT/runs",
        "There is no dataset '",
        run_line("--images", "12", "--people", "3"),
    ),
    (CHECK + "celeba:HERE/damaged", "Or learn the other columns", add),
    (CHECK + "celeba:HERE/listed", "Complete it, or hold random images out", add),
    (CHECK + "table:HERE/called", "are called like splits", use("--datasets", "table:HERE/called/train.csv")),
    # the configuration, plugins and components
    ("train" + TINY, "No dataset is named", use("--datasets", "folder:HERE/pets")),
    (PETS.replace("folder:", "foldr:"), "is called", correct("foldr")),
    (PETS + " --set generator.conv_dimm=4", "Unknown key", correct("conv_dimm")),
    (PETS + " --set generator.name=stargann", "is called", correct("stargann")),
    (PETS.replace("stargan_64", "stargan_63"), "is called", correct("stargan_63")),
    (PETS + " --set datasets.foldr.limit=20", "no dataset is called so", correct("foldr")),
    (PETS + " --set training.seed", "Write it as in", replace("training.seed", r"Write it as in (\S+)\.")),
    (PETS + " --plugin HERE/none.py", "Name a Python file with --plugin", use("--plugin", "HERE/pets.py")),
    (PETS + " --device cuda", "Leave it out, or use cpu", leave_out("--device")),
    (
        "plugins check stargan_fw_plugins.datasets.foldr",
        "and there is no such module",
        correct("stargan_fw_plugins.datasets.foldr"),
    ),
    (
        PETS + " --set training.optimizers.generatr.rate=0.1",
        "has no such phase",
        replace("generatr", r"known: .*\b(g)\b"),
    ),
    (
        "reproduce benchmark --only cycelgan --dry-run --runs OUT/runs --data DATA",
        "the benchmark has no such method or pair",
        correct("cycelgan"),
    ),
    ("reproduce params --only all --data DATA -o OUT/report", "leave --only out", leave_out("--only")),
    ("plugins new first --kind loss --out OUT/runs", "exists. Choose another name", use("--out", "OUT/new")),
    # runs
    (PETS.replace("OUT/run", "RUN"), "already holds a run", use("--out", "OUT/other")),
    (PETS.replace("OUT/run", "FACE"), "is a file. Name a folder for the run", use("--out", "OUT/other")),
    ("train --resume --dry-run --out OUT/run", "holds no run to continue", use("--datasets", "folder:HERE/pets")),
    (GO_ON + " --set generator.conv_dim=8", "begin another run with its weights", leave_out("--set")),
    (GO_ON + " --set generator.conv_dim=8", "begin another run with its weights", run_line("--dry-run")),
    ("runs OUT/none", "Name one that holds runs", replace("none", r"stargan-fw (runs) FOLDER")),
    ("runs OUT --only runs/frist", "there is no such run", correct("runs/frist")),
    (PETS.replace("OUT/run", "HERE/headless"), "has checkpoints and no config.toml", use("--out", "OUT/other")),
    ("runs OUT/runs --remove first", "nobody can be asked here", switch_on("--yes")),
    ("runs OUT/runs --remove frist --yes", "is no run in '", correct("frist")),
    # models
    (TRANSLATE.replace("happy", "hapy"), "no label ", correct("hapy")),
    (TRANSLATE.replace("OUT/done", "OUT/one.png") + " --to sad", "names one picture", use("--out", "OUT/two", "-o")),
    (TRANSLATE + " --to sad --gif --strength 0.5", "leave --strength out", leave_out("--strength")),
    (
        "sheet RUN FACE -o OUT/sheet.png --mask wrongly --device cpu",
        "is neither right nor wrong",
        replace("wrongly", r"Write --mask (\S+)\."),
    ),
    (
        "sheet RUN FACE -o OUT/sheet.png --name A --name B --device cpu",
        "use --name once per model",
        leave_out("--name"),
    ),
    (TRANSLATE.replace("happy", "expression=hapy"), " cannot be ", correct("hapy")),
    (
        "translate RUN HERE/0.png --to happy --keep-names --device cpu -o HERE",
        "is read, and would be written over",
        use("--out", "OUT/done", "-o"),
    ),
    (
        "translate RUN HERE/0.png --to happy --device cpu -o HERE/taken",
        "is a folder, and a picture would replace it",
        use("--out", "OUT/done", "-o"),
    ),
    (
        "extend RUN --datasets rafd -o OUT/model --data DATA",
        "name them first, in that order",
        a_new_one,
    ),
    ("study build A=RUN B=RUN --tasks Yong -o OUT/study --data DATA", "no attribute '", correct("Yong")),
    (
        "study build A=RUN B=RUN --tasks Young --say Yong=0:old -o OUT/study --data DATA",
        "no label '",
        correct("Yong"),
    ),
]


@pytest.mark.parametrize(
    ("command", "says", "follow"), TRIALS, ids=[f"{says} {at}" for at, (_, says, _) in enumerate(TRIALS)]
)
def test_what_a_message_says_works_as_it_stands(cli, words, tmp_path, monkeypatch, command, says, follow):
    def fill(argument):
        for word, meaning in words.items():
            argument = argument.replace(word, str(meaning))
        return argument

    monkeypatch.chdir(tmp_path)
    shutil.copytree(words["RUN"], tmp_path / "runs/first")
    arguments = [fill(argument) for argument in shlex.split(command)]

    refused = cli(*arguments)

    assert refused.code == 2, refused
    assert says in refused.err
    for mended in follow(arguments, refused.err):
        outcome = cli(*map(fill, mended))
        assert outcome.code == 0, (mended, outcome.err)


ELSEWHERE = {  # words of a message, and the test that follows it
    "RaFD's names are": "system/test_cli_data.py::test_a_remedy_names_the_dataset_as_the_user_does_and_works",
    "Restore the file, or choose `attributes`": "system/test_cli_data.py::test_a_remedy_names_the_dataset_as_the_user_does_and_works",
    "which the datasets library does not see": "plugins/test_huggingface.py::test_splits_that_the_library_does_not_see_are_said_with_a_line_that_works",
    "holds the pixels of the images": "plugins/test_table_text.py::test_pixels_in_cells_are_named_and_converted_by_the_line",
    "Unpack it: ": "plugins/test_table_formats.py::test_an_archive_of_images_and_table_is_unpacked_by_the_line",
    "Convert it": "plugins/test_table_formats.py::test_the_line_in_the_message_converts_a_spreadsheet",
    "empty, but a path of an image is expected": "plugins/test_hostile_tables.py::test_rows_that_are_no_images_are_left_out_by_the_line",
    "leave no domains for columns": "system/test_figures.py::test_a_sheet_of_combinations_has_the_columns_under_every_row",
    "is ambiguous": "registry/test_edits.py::test_what_an_error_suggests_for_an_ambiguous_name_can_be_pasted",
}
UNTRIED = {  # why nobody follows a remedy here: words of the messages
    "A package would be installed or upgraded: see the test of extras below.": [
        "Run: pip install 'stargan-fw[",
        "Install them: pip install 'stargan-fw[",
        "Install it with: pip install 'stargan-fw[",
        "Install that one: pip install --upgrade",
        "Update stargan-fw: pip install --upgrade",
        "Install its plugin: pip install",
        "Install its package, and name that: pip install -e ",
    ],
    "The Hub, a token or a network would be needed.": [
        "that you may see. Check the name",
        "exists already. Add --update",
        "The Hub does not accept the token",
        "There is no Hugging Face token",
        "Make one with stargan-fw export RUN DIR",
        "huggingface: no location",
        "not an id of the Hub. Name one of them",
        "the datasets library cannot load it",
        "pointer of Git LFS",
    ],
    "Other processes, another disk or an accelerator would be needed.": [
        "Several processes cannot train on mps",
        "training.tune works with one process only",
        "is in use: ",
        "cannot be written to",
        "Another process has begun the run",
        "cannot hold decoded images",
        "The decoded images need",
        "for decoded images cannot be made",
    ],
    "Only the user knows the value: the message names the option, and other trials use that option.": [
        "are not those that '",
        "has no images at '",
        "There are no images at '",
        "images left without the ",
        "or name another folder with ",
        "no column is left to be a label",
        "which no plugin registers here",
        "has no ⟨kind⟩.name",
        "No preset is the default",
        "Say where they are with --datasets",
        "or say what it is (--current)",
        "another dataset reads. Use --datasets",
        "add it to --datasets",
        "is not unseen. Restore the data",
        "Name another --source",
        "Name the datasets that it was trained on with --datasets",
        "Use --set 'datasets.<name>.attributes",
        "Leave --image-size out",
        "Leave --format out",
        "Leave --inception out",
        "ame another folder with --runs",
        "Collect more, or see --misses",
        "No key.json beside the results",
        "Name key.json with --key",
        "Ask more with --questions",
        "Leave that out with --tasks",
        "add --face detect",
        "are too many for one picture",
        "Use it without --remove and --json",
        "no package ships this network",
        "give each its own --name",
        "Show them apart: one 'stargan-fw demo' for each",
        "Nothing can be served at ",
    ],
    "The name that was meant is found as in the trials, by the same function.": [
        "has no ⟨setting⟩ ⟨part⟩",
        "is no hook: ",
        "was trained without the dataset",
        "is not one label to set or clear",
        "no split '",
        "attribute: no kind ",
        ": unknown key ",
        " has no label ",
        " in this label space",
        "no dataset is called so",
        "has settings for the pair '",
    ],
}


@pytest.fixture(scope="module")
def listing():
    """The module that lists every message."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(TESTS.parent / "docs")
        yield importlib.import_module("source_messages")
        sys.modules.pop("source_messages")


def test_every_remedy_to_paste_is_tried_or_it_is_said_why_not(listing):
    tried = [says for _, says, _ in TRIALS]
    left = [words for reasons in UNTRIED.values() for words in reasons]
    known = [*tried, *ELSEWHERE, *left]

    messages = listing.Sources().messages

    texts = [message.text for message in messages]
    unknown = [
        message for message in messages if message.is_pastable and not any(words in message.text for words in known)
    ]
    assert [f"{one.file}, line {one.line}: {one.text}" for one in unknown] == []
    assert [words for words in known if not any(words in text for text in texts)] == []


@pytest.mark.parametrize("test", dict.fromkeys(ELSEWHERE.values()))
def test_who_follows_a_remedy_elsewhere_is_there(test):
    file, _, name = test.partition("::")
    assert f"def {name}(" in (TESTS / file).read_text(encoding="utf-8")


def test_the_extras_that_messages_install_are_there(listing):
    extras = tomllib.loads((TESTS.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    named = {extra for one in listing.Sources().messages for extra in re.findall(r"stargan-fw\[([a-z-]+)\]", one.text)}
    assert named
    assert named <= extras.keys()
