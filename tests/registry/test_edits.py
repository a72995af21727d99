"""What an edit may say, which dataset it is of, and what it determines."""

import pytest
import torch

from stargan_fw_registry import Binary, Categorical, Continuous, Edit, Exclusive, LabelError, LabelSchema, LabelSpace

CELEBA = LabelSchema(
    "celeba",
    [Exclusive("hair", ["Black_Hair", "Blond_Hair", "Brown_Hair"]), Binary("Male"), Binary("Young")],
)
RAFD = LabelSchema("rafd", [Categorical("expression", ["angry", "happy", "sad"])])
PETS = LabelSchema(
    "pets",
    [
        Categorical("species", ["cat", "dog"]),
        Binary("Young"),
        Categorical("tame", ["yes", "no"]),
        Categorical("fed", ["yes", "no"]),
    ],
)
SPACE = LabelSpace([CELEBA, RAFD, PETS])


@pytest.mark.parametrize(
    ("text", "dataset", "assignments"),
    [
        ("Male", "celeba", {"Male": 1}),
        ("Male=0", "celeba", {"Male": 0}),
        (" Male = 0 ", "celeba", {"Male": 0}),
        ("celeba.Male=1", "celeba", {"Male": 1}),
        ("Blond_Hair,Male=0", "celeba", {"Black_Hair": 0, "Blond_Hair": 1, "Brown_Hair": 0, "Male": 0}),
        ("hair=Blond_Hair", "celeba", {"Black_Hair": 0, "Blond_Hair": 1, "Brown_Hair": 0}),
        ("hair=", "celeba", {"Black_Hair": 0, "Blond_Hair": 0, "Brown_Hair": 0}),
        ("Blond_Hair=0", "celeba", {"Blond_Hair": 0}),
        ("Black_Hair=0,Blond_Hair", "celeba", {"Black_Hair": 0, "Blond_Hair": 1, "Brown_Hair": 0}),
        ("happy", "rafd", {"angry": 0, "happy": 1, "sad": 0}),
        ("rafd.expression=happy", "rafd", {"angry": 0, "happy": 1, "sad": 0}),
        ("happy=1", "rafd", {"angry": 0, "happy": 1, "sad": 0}),
        ("pets.Young=0", "pets", {"Young": 0}),
        ("Young,Male", "celeba", {"Young": 1, "Male": 1}),
        ("Young,cat", "pets", {"Young": 1, "cat": 1, "dog": 0}),
        ("tame.yes", "pets", {"tame.yes": 1, "tame.no": 0}),
        ("pets.fed.no", "pets", {"fed.yes": 0, "fed.no": 1}),
        ("tame=no", "pets", {"tame.yes": 0, "tame.no": 1}),
    ],
)
def test_resolve(text, dataset, assignments):
    edit = SPACE.resolve(text)
    assert edit.dataset == dataset
    assert dict(edit.assignments) == assignments


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "edit '' names no label in ''"),
        ("Male,", "edit 'Male,' names no label in ''"),
        ("=1", "names no label in '=1'"),
        ("Blond_Hiar", "no label 'Blond_Hiar' in celeba, rafd, pets; did you mean 'Blond_Hair'"),
        ("celeba.male", "no label 'celeba.male' in celeba, rafd, pets; did you mean 'celeba.Male'"),
        ("rafd.Male", "no label 'rafd.Male'"),
        ("Young", r"'Young' is ambiguous: write one of celeba\.Young, pets\.Young$"),
        ("yes", r"'yes' is ambiguous: write one of pets\.tame\.yes, pets\.fed\.yes$"),
        ("pets.yes", r"'pets.yes' is ambiguous: write one of pets\.tame\.yes, pets\.fed\.yes$"),
        ("Male,happy", "one edit names 'Male' of celeba, 'happy' of rafd: name labels of one dataset here"),
        ("Young,happy", "'Young' of celeba or pets, 'happy' of rafd"),
        ("happy=0", "'happy' cannot be cleared, since 'expression' has one value: name another value"),
        ("happy,sad", "'sad' contradicts 'happy': set one of them"),
        ("expression=happy,expression=sad", "'expression=sad' contradicts 'expression=happy'"),
        ("Blond_Hair,Black_Hair", "'Black_Hair' contradicts 'Blond_Hair'"),
        ("Blond_Hair,hair=", "'hair=' contradicts 'Blond_Hair'"),
        ("hair=,Blond_Hair", "'Blond_Hair' contradicts 'hair='"),
        ("Male,Male", "'Male' is named twice, as 'Male' and 'Male': remove one"),
        ("Male,celeba.Male=0", "'Male' is named twice, as 'Male' and 'celeba.Male=0'"),
        ("hair=Blond_Hair,Blond_Hair", "'Blond_Hair' is named twice"),
        ("Male=2", "'Male' cannot be '2': give 0 or 1"),
        ("Male=", "'Male' cannot be '': give 0 or 1"),
        ("expression", "'expression' needs a value: write it as 'expression=angry'"),
        ("expression=hapy", "'expression' cannot be 'hapy'; did you mean 'happy'"),
        ("expression=", "'expression' cannot be ''"),
        ("hair=Male", "'hair' cannot be 'Male'"),
        ("hair=a=b", "'hair' cannot be 'a=b'"),
    ],
)
def test_resolve_refuses(text, message):
    with pytest.raises(LabelError, match=message):
        SPACE.resolve(text)


@pytest.mark.parametrize(
    ("text", "edits"),
    [
        ("Male=0", ["celeba.Male=0"]),
        ("Young,Male", ["celeba.Young,celeba.Male"]),
        ("happy,Blond_Hair", ["celeba.Blond_Hair", "rafd.happy"]),
        ("rafd.happy,celeba.Male=0", ["celeba.Male=0", "rafd.happy"]),
        ("Male=flip,happy,Blond_Hair", ["celeba.Male=flip,celeba.Blond_Hair", "rafd.happy"]),
        ("cat,happy,pets.Young,Male", ["celeba.Male", "rafd.happy", "pets.cat,pets.Young"]),
    ],
)
def test_resolve_all_gives_one_edit_per_dataset_in_the_order_of_the_mask(text, edits):
    assert SPACE.resolve_all(text) == tuple(map(SPACE.resolve, edits))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Young,happy", r"'Young' is ambiguous: write one of celeba\.Young, pets\.Young$"),
        ("Young,Male,happy", r"'Young' is ambiguous: write one of celeba\.Young, pets\.Young$"),
        ("yes,happy", r"'yes' is ambiguous: write one of pets\.tame\.yes, pets\.fed\.yes$"),
        ("happy,Male,sad", "'sad' contradicts 'happy'"),
        ("Young,Male,Male=0", "'Male' is named twice, as 'Male' and 'Male=0'"),
        ("happy,Male,celeba.Male=0", "'Male' is named twice, as 'Male' and 'celeba.Male=0'"),
        ("Male,hapy", "no label 'hapy' in celeba, rafd, pets; did you mean 'happy'"),
        ("Male,", "edit 'Male,' names no label in ''"),
    ],
)
def test_resolve_all_refuses(text, message):
    with pytest.raises(LabelError, match=message):
        SPACE.resolve_all(text)


@pytest.mark.parametrize("text", ["{},happy", "happy,{}", "{},Male,happy", "rafd.sad,{}=0"])
def test_what_an_error_suggests_for_an_ambiguous_name_can_be_pasted(text):
    with pytest.raises(LabelError) as caught:
        SPACE.resolve_all(text.format("Young"))
    suggested = str(caught.value).partition("write one of ")[2].split(", ")
    assert len(suggested) == 2
    for name in suggested:
        assert name.partition(".")[0] in [edit.dataset for edit in SPACE.resolve_all(text.format(name))]


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("happy", True),
        ("Blond_Hair", False),
        ("Blond_Hair,Male=0", False),
        ("Blond_Hair,Male=0,Young", True),
        ("Black_Hair=0,Blond_Hair=0,Brown_Hair=0,Male,Young=0", True),
        ("Blond_Hair=0,Male,celeba.Young", False),
    ],
)
def test_is_complete(text, complete):
    edit = SPACE.resolve(text)
    assert edit.is_complete(SPACE.schema(edit.dataset)) is complete


def test_an_edit_of_a_label_that_a_schema_lacks_is_no_complete_edit_of_it():
    edit = SPACE.resolve("Male,celeba.Young")
    assert edit.is_complete(LabelSchema("celeba", [Binary("Young"), Binary("Male")]))
    assert not edit.is_complete(LabelSchema("celeba", [Binary("Male")]))


def test_a_prefix_wins_over_an_attribute_of_the_datasets_name():
    fed = LabelSchema("fed", [Categorical("often", ["yes", "no"])])
    space = LabelSpace([PETS, fed])
    assert space.resolve("fed.yes").dataset == "fed"
    assert space.resolve("pets.fed.yes").dataset == "pets"


def test_a_binary_label_can_be_flipped():
    edit = SPACE.resolve("Blond_Hair,Male=flip,celeba.Young=flip")
    assert edit.flips == ("Male", "Young")
    assert not edit.is_complete(CELEBA)
    labels = torch.tensor([[1.0, 0, 0, 1, float("nan")], [0, 0, 1, 0, 1]])
    edited = SPACE.edit("celeba", labels, edit)
    assert edited[0, :4].tolist() == [0, 1, 0, 0]
    assert edited[1].tolist() == [0, 1, 0, 1, 0]
    assert edited[0, 4].isnan(), "the opposite of what is not known is not known"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Blond_Hair=flip", "'Blond_Hair' cannot be flipped, since it is one of 'hair'"),
        ("happy=flip", "'happy' cannot be flipped"),
        ("cat=flip", "'cat' cannot be flipped, since it is one of 'species': name another of them"),
        ("hair=flip", "'hair' cannot be 'flip'"),
        ("Male=flip,Male", "'Male' is named twice"),
    ],
)
def test_only_a_lone_label_can_be_flipped(text, message):
    with pytest.raises(LabelError, match=message):
        SPACE.resolve(text)


def test_a_value_may_be_called_flip():
    space = LabelSpace([LabelSchema("a", [Categorical("trick", ["flip", "roll"])])])
    assert dict(space.resolve("trick=flip").assignments) == {"flip": 1, "roll": 0}


def test_edits_are_values():
    assert Edit("celeba", (("Male", 1.0),)) == SPACE.resolve("Male")
    assert len({SPACE.resolve("Male"), SPACE.resolve("celeba.Male")}) == 1


FACES = LabelSchema("faces", [Continuous("age", 0, 100), Exclusive("hair", ["black", "blond"]), Binary("male")])
SCENES = LabelSchema(
    "scenes",
    [Continuous("light", -1, 1), Categorical("time", ["day", "night"]), Binary("light-2"), Continuous("age", 0, 10)],
)
NUMBERS = LabelSpace([FACES, SCENES])


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ("faces.age=60", [0.2, 1, 0, 0], [0.6, 1, 0, 0]),
        ("faces.age+20", [0.2, 1, 0, 0], [0.4, 1, 0, 0]),
        (" faces.age - 12.5 ", [0.2, 1, 0, 0], [0.075, 1, 0, 0]),
        ("faces.age+90", [0.2, 1, 0, 0], [1, 1, 0, 0]),
        ("faces.age-90", [0.2, 1, 0, 0], [0, 1, 0, 0]),
        ("faces.age+100", [0.2, 1, 0, 0], [1, 1, 0, 0]),
        ("age+1e1,male", [0.2, 1, 0, 0], [0.3, 1, 0, 1]),
        ("age+20", [float("nan"), 1, 0, 0], None),
        ("male=0.25", [0.2, 1, 0, 1], [0.2, 1, 0, 0.25]),
        ("blond=0.25", [0.2, 1, 0, 0], [0.2, 0.75, 0.25, 0]),
        ("hair=blond,male=.5", [0.2, 1, 0, 0], [0.2, 0, 1, 0.5]),
        ("light=-0.5", [0.9, 1, 0, 0, 0], [0.25, 1, 0, 0, 0]),
        ("night=0.25", [0.9, 1, 0, 0, 0], [0.9, 0.75, 0.25, 0, 0]),
        ("day=0.25", [0.9, 1, 0, 0, 0], [0.9, 1, 0, 0, 0]),
        ("light-2", [0.9, 1, 0, 0, 0], [0.9, 1, 0, 1, 0]),
        ("light-1.5", [0.9, 1, 0, 0, 0], [0.15, 1, 0, 0, 0]),
    ],
)
def test_numbers_and_strengths(text, before, after):
    edit = NUMBERS.resolve(text if text != "age+20" else "faces.age+20")
    edited = NUMBERS.edit(edit.dataset, torch.tensor([before]), edit)
    if after is None:
        assert edited[0, 0].isnan(), "more than what is not known is not known"
    else:
        torch.testing.assert_close(edited, torch.tensor([after], dtype=torch.float32))


def test_numbers_of_several_datasets_in_one_edit():
    faces, scenes = NUMBERS.resolve_all("light+0.5,faces.age=60,night")
    assert faces == NUMBERS.resolve("faces.age=60")
    assert scenes == NUMBERS.resolve("night,light+0.5")
    assert set(scenes.relative) == {"light"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("age=6", r"'age' is ambiguous: write one of faces\.age, scenes\.age$"),
        ("faces.age", r"'age' needs a value: write it as 'age=50', or as 'age\+10'"),
        ("faces.age=", "'age' needs a value"),
        ("faces.age+", "'' is no number; write it as age\\+10"),
        ("faces.age--5", "'-5' is no number; write it as age-10"),
        ("faces.age+-5", r"'-5' is no number; write it as age\+10"),
        ("faces.age+=20", r"'age\+=20': '=20' is no number; write it as age\+10"),
        ("male-=1", r"'male' is binary, not a number, so nothing can be added to it \(-=1\)"),
        ("tmp=-5", "no label 'tmp' in"),
        ("faces.age=+5", r"'age=\+5': write age=5, or age\+5 for more than now"),
        *(
            (f"faces.age={odd}", f"'age' cannot be '{odd}': give a number from 0 to 100")
            for odd in ("-1", "101", "nan", "inf")
        ),
        *(
            (f"faces.age={odd}", f"cannot be '{odd}': give a number")
            for odd in ("60 years", "60%", "old", "1_0", "2020-01-01")
        ),
        ("faces.age=60,faces.age=70", "'age' is named twice, as 'faces.age=60' and 'faces.age=70'"),
        ("faces.age=60,faces.age+1", "'age' is named twice"),
        ("faces.age=flip", "'age' cannot be flipped, since it is a number: write it as 'age=50'"),
        ("faces.age=6,5", "no label '5': a comma begins another label: write a number with a point"),
        ("faces.age+101", r"'age\+101': that is more than the whole range from 0 to 100"),
        ("faces.age+5years", "'5years' is no number"),
        ("light+nan", r"no label 'light\+nan'"),
        ("male+1", r"'male' is binary, not a number, so nothing can be added to it \(\+1\)"),
        ("hair+1", "'hair' is exclusive, not a number"),
        ("male=1.5", "'male' cannot be '1.5': give 0 or 1, a strength between them"),
        ("male=-0.5", "'male' cannot be '-0.5'"),
        ("black=0.5,blond=0.5", "'blond=0.5' contradicts 'black=0.5'"),
        ("night=0", "'night' cannot be cleared"),
    ],
)
def test_numbers_and_strengths_that_mean_nothing(text, message):
    with pytest.raises(LabelError, match=message):
        NUMBERS.resolve_all(text)


@pytest.mark.parametrize(
    "text", ["faces.age=60", "faces.age+20", "faces.age-12.5", "male=0.25", "blond=0.25", "hair=", "light=-0.1"]
)
def test_an_edit_is_written_as_it_is_read(text):
    edit = NUMBERS.resolve(text)
    parts = NUMBERS.schema(edit.dataset).write(edit)
    assert NUMBERS.resolve(",".join(f"{edit.dataset}.{part}" for part in parts)) == edit
    assert text == "hair=" or parts == [text.removeprefix("faces.")]
