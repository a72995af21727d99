"""Draws the floors of the house as an SVG: a room stands above all rooms that it uses."""

from draw_house import ROOTS, House

WIDTH, ROW, BOX, GAP = 760, 44, 28, 8
COLOURS = {"plugins": "#e8a33d", "core": "#9fa8da", "registry": "#81c784"}
PER_ROW = 4


def draw_floors(house: House) -> str:
    """Returns the rooms in rows, the highest first, as an SVG with colours of the page."""
    heights = sorted({house.height[room] for room in house.uses}, reverse=True)
    rows = []
    for height in heights:
        rooms = sorted(room for room in house.uses if house.height[room] == height)
        rows += [rooms[start : start + PER_ROW] for start in range(0, len(rooms), PER_ROW)]
    boxes = [box for number, row in enumerate(rows) for box in _row(row, number * ROW)]
    legend = "".join(
        f'<rect x="{number * 120}" y="{len(rows) * ROW + 6}" width="14" height="14" rx="3" fill="{colour}"/>'
        f'<text x="{number * 120 + 20}" y="{len(rows) * ROW + 17}">{part}</text>'
        for number, (part, colour) in enumerate(COLOURS.items())
    )
    size = f'viewBox="0 0 {WIDTH} {len(rows) * ROW + 26}"'
    return (
        f'<div class="drawing"><svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="The rooms, each above those '
        f'that it uses">{"".join(boxes)}{legend}</svg></div>\n\nA room stands above every room that it uses.'
    )


def _row(rooms: list[str], top: int) -> list[str]:
    width = (WIDTH - GAP * (len(rooms) - 1)) / len(rooms)
    boxes = []
    for number, room in enumerate(rooms):
        left = number * (width + GAP)
        colour = COLOURS[ROOTS.get(room, "core")] if room != "stargan_fw" else COLOURS["core"]
        boxes.append(
            f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{BOX}" rx="5" fill="{colour}"/>'
            f'<text x="{left + width / 2:.1f}" y="{top + 19}" text-anchor="middle" class="room">{room}</text>'
        )
    return boxes
