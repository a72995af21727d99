"""Pictures to tensors and back, the domains of a label space, and the sheets that show them."""

from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image

from stargan_fw.rendering.pictures import to_pictures, to_tensor
from stargan_fw.rendering.sheets import (
    GAP,
    Domain,
    SampleSheet,
    draw_sheet,
    list_domains,
    list_headings,
    translate_to_all,
)
from stargan_fw_registry import Binary, Categorical, Continuous, Exclusive, LabelSchema, LabelSpace

UNKNOWN = float("nan")
SPACE = LabelSpace(
    [
        LabelSchema("shapes", [Exclusive("shape", ["disc", "square"]), Binary("inverted"), Binary("large")]),
        LabelSchema("colours", [Categorical("colour", ["red", "blue"])]),
    ]
)
LABELS = {"shapes": torch.tensor([[1.0, 0, 1, 0], [0, 0, UNKNOWN, 1]]), "colours": torch.tensor([[1.0, 0], [0, 1]])}


class Painter:
    """Translates an image by filling it with the number that its target spells in binary."""

    space = SPACE

    def __init__(self):
        self.asked = []

    def read_labels(self, images, dataset):
        self.asked.append(dataset)
        return LABELS[dataset][: len(images)]

    def translate(self, images, dataset, target, source=None):
        assert torch.equal(source.nan_to_num(9), LABELS[dataset][: len(images)].nan_to_num(9))
        number = (target.nan_to_num() * 2 ** torch.arange(target.shape[1])).sum(1) + 32 * (dataset == "colours")
        return torch.ones_like(images) * (number * 2 / 255 - 1).view(-1, 1, 1, 1)


def picture(side, colour):
    return Image.new("RGB", (side, side), colour)


def test_pictures_survive_being_tensors():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    pixels[0].flat[:256] = range(256)

    tensor = to_tensor([Image.fromarray(image) for image in pixels])

    assert (tensor.shape, tensor.dtype) == ((2, 3, 16, 16), torch.float32)
    assert (tensor.min(), tensor.max()) == (-1, 1)
    for image, original in zip(to_pictures(tensor), pixels, strict=True):
        assert image.mode == "RGB"
        assert np.array_equal(np.asarray(image), original)


def test_what_lies_outside_is_clipped_and_gradients_and_precision_do_not_matter():
    tensor = torch.tensor([-3.0, 0.0, 3.0], dtype=torch.bfloat16, requires_grad=True).view(1, 3, 1, 1)

    assert to_pictures(tensor)[0].getpixel((0, 0)) == (0, 128, 255)


def test_domains_are_the_values_of_groups_and_the_flips_of_lone_labels():
    assert [(domain.dataset, domain.text, domain.heading) for domain in list_domains(SPACE)] == [
        ("shapes", "disc", "disc"),
        ("shapes", "square", "square"),
        ("shapes", "inverted=flip", "flip inverted"),
        ("shapes", "large=flip", "flip large"),
        ("colours", "red", "red"),
        ("colours", "blue", "blue"),
    ]


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        (Domain("shapes", "square"), [[0, 1, 1, 0], [0, 1, UNKNOWN, 1]]),
        (Domain("shapes", "disc"), [[1, 0, 1, 0], [1, 0, UNKNOWN, 1]]),
        (Domain("shapes", "large=flip"), [[1, 0, 1, 1], [0, 0, UNKNOWN, 0]]),
        (Domain("shapes", "inverted=flip"), [[1, 0, 0, 0], [0, 0, 1, 1]]),
        (Domain("colours", "blue"), [[0, 1], [0, 1]]),
    ],
)
def test_the_target_of_a_domain(domain, expected):
    labels = LABELS[domain.dataset]
    before = labels.clone()

    target = domain.target(SPACE, labels)

    assert np.array_equal(target, np.array(expected), equal_nan=True)
    assert np.array_equal(labels, before, equal_nan=True), "the labels stay as they are"


def test_every_domain_can_be_asked_for_where_two_labels_are_called_alike():
    space = LabelSpace(
        [LabelSchema("a", [Categorical("top", ["red", "blue"]), Categorical("hat", ["red", "green"]), Binary("x")])]
    )

    targets = [domain.target(space, torch.zeros(1, 5)) for domain in list_domains(space)]

    assert torch.equal(torch.cat(targets), torch.eye(5))


def test_a_number_is_shown_at_values_spread_over_its_range():
    space = LabelSpace([LabelSchema("faces", [Continuous("age", 0, 100), Categorical("mood", ["glad", "sad"])])])
    domains = list_domains(space)
    assert [domain.heading for domain in domains] == ["age=10", "age=30", "age=50", "age=70", "age=90", "glad", "sad"]
    targets = torch.cat([domain.target(space, torch.tensor([[0.2, 1, 0]])) for domain in domains])
    torch.testing.assert_close(targets[:, 0], torch.tensor([0.1, 0.3, 0.5, 0.7, 0.9, 0.2, 0.2]))
    assert targets[:, 1].tolist() == [1, 1, 1, 1, 1, 1, 0]


def test_labels_that_are_not_known_are_read_from_the_image():
    method = Painter()

    columns = translate_to_all(method, torch.zeros(2, 3, 8, 8), {"shapes": LABELS["shapes"]})

    assert method.asked == ["shapes", "colours"], "one of the shapes' labels is unknown"
    assert len(columns) == 6
    values = torch.stack([column[:, 0, 0, 0] for column in columns], dim=1).add(1).mul(127.5).round()
    assert values.tolist() == [[5, 6, 1, 13, 33, 34], [9, 10, 12, 0, 33, 34]]


def test_a_label_that_is_not_known_of_one_image_is_read_from_it_and_asked_for():
    """As 0, which an unknown label is in c̃, an edit of another label would ask for the least age."""
    space = LabelSpace([LabelSchema("faces", [Continuous("age", 0, 100), Binary("hat")])])

    class Reader(Painter):
        targets: ClassVar = []

        def read_labels(self, images, dataset):
            return torch.tensor([[0.7, 1.0]]).expand(len(images), 2)

        def translate(self, images, dataset, target, source=None):
            self.targets.append((target[:, 0].tolist(), source.tolist()))
            return images

    method = Reader()
    method.space = space
    translate_to_all(method, torch.zeros(2, 3, 8, 8), {"faces": torch.tensor([[UNKNOWN, 0], [0.25, 0]])})

    ages, sources = zip(*method.targets, strict=True)
    assert ages[-1] == pytest.approx([0.7, 0.25]), "the hat is turned over"
    assert sources[-1] == [pytest.approx([0.7, 0]), [0.25, 0]]


def test_a_method_that_reads_no_labels_draws_the_images_of_one_dataset():
    class Blind:
        space = LabelSpace(SPACE.schemas[:1])
        translate = Painter.translate

    columns = translate_to_all(Blind(), torch.zeros(2, 3, 8, 8), {"shapes": LABELS["shapes"]})
    assert len(columns) == 4


def test_headings_name_the_dataset_if_another_has_a_label_of_that_name():
    others = LabelSchema("others", [Binary("large"), Categorical("colour", ["green", "blue"])])
    headings = list_headings(list_domains(LabelSpace([*SPACE.schemas, others])))
    assert headings == [
        *("disc", "square", "flip inverted", "flip shapes.large"),
        *("red", "colours.blue", "flip others.large", "green", "others.blue"),
    ]


def test_a_sample_sheet_has_a_row_an_image_and_the_input_first():
    rows = {
        "shapes": ([picture(96, (200, 0, 0)), picture(96, (0, 200, 0))], LABELS["shapes"]),
        "colours": ([picture(96, (0, 0, 200))], LABELS["colours"][:1]),
    }

    sheet = SampleSheet(rows, torch.device("cpu")).draw(Painter())

    cell = 96 + GAP
    assert sheet.width == 7 * cell + GAP
    top = sheet.height - 3 * cell
    middles = [[sheet.getpixel((GAP + x * cell + 48, top + y * cell + 48)) for x in range(7)] for y in range(3)]
    assert [row[0] for row in middles] == [(200, 0, 0), (0, 200, 0), (0, 0, 200)]
    assert [colour[0] for colour in middles[0][1:]] == [5, 6, 1, 13, 33, 34]


@pytest.mark.parametrize(
    ("pictures", "side", "expected"), [(32, None, 96), (96, None, 96), (128, None, 128), (128, 48, 48)]
)
def test_the_size_of_a_sheet(pictures, side, expected):
    rows = [[picture(pictures, (0, 0, 0))] * 3] * 2

    sheet = draw_sheet(rows, ["input", "a", "b"], side)

    assert sheet.mode == "RGB"
    assert sheet.width == 3 * (expected + GAP) + GAP
    assert sheet.height == 2 * (expected + GAP) + expected // 6 + 2 * GAP
    assert sheet.getpixel((sheet.width - GAP - 1, sheet.height - GAP - 1)) == (0, 0, 0), "the last cell"


def test_long_headings_take_more_lines():
    rows = [[picture(96, (0, 0, 0))] * 2]
    heights = [
        draw_sheet(rows, ["input", heading]).height
        for heading in ("large", "flip large", "flip Wearing_Necklace", "flip Wearing_a_very_long_Necklace_of_Pearls")
    ]

    assert heights[0] == heights[1] < heights[2] < heights[3]


def test_headings_are_written_above_their_columns():
    rows = [[picture(96, (255, 255, 255))] * 3]

    sheet = np.asarray(draw_sheet(rows, ["", "blue", ""])).min(axis=2)

    columns = np.flatnonzero((sheet < 128).any(axis=0))
    assert len(columns) > 10
    assert GAP + 98 <= columns.min() <= columns.max() <= GAP + 98 + 96
    assert abs(columns.mean() - (GAP + 98 + 48)) < 6, "centred"


def test_a_sheet_of_no_pictures_is_its_headings():
    assert draw_sheet([], ["input", "blue"]).width == 2 * (96 + GAP) + GAP
