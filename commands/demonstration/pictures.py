"""Pictures that nobody took: a bag on a table, a receipt, a quotation, a signature. No faces. Knows lines and colours.

Small on purpose, and always the same for the same number.
"""
from __future__ import annotations

import io
import random
from functools import cache

from PIL import Image, ImageDraw, ImageFilter

_SIZE = (560, 420)
_CLOTHS = ((34, 74, 130), (138, 84, 46), (62, 104, 84), (120, 60, 92))


@cache
def draw(shows: str, number: int) -> bytes:
    """The bytes of a JPEG (a signature: PNG)."""
    chance = random.Random(f"{shows}/{number}")  # noqa: S311
    picture = {"bag": _bag, "receipt": _paper, "quote": _paper, "signature": _signature}[shows](chance)
    stream = io.BytesIO()
    if shows == "signature":
        picture.save(stream, "PNG", optimize=True)
    else:
        picture.save(stream, "JPEG", quality=68)
    return stream.getvalue()


def _table(chance: random.Random) -> Image.Image:
    wood = chance.choice(((196, 160, 118), (172, 138, 100), (210, 182, 148)))
    picture = Image.new("RGB", _SIZE, wood)
    pen = ImageDraw.Draw(picture)
    for _ in range(46):
        y = chance.randrange(_SIZE[1])
        grain = _shaded(wood, chance.randrange(-16, 12))
        pen.line([(0, y), (_SIZE[0], y + chance.randrange(-14, 14))], fill=grain, width=chance.choice((1, 2, 4)))
    return picture.filter(ImageFilter.GaussianBlur(1.2))


def _shaded(colour: tuple[int, ...], by: int) -> tuple[int, ...]:
    return tuple(min(255, max(0, one + by)) for one in colour)


def _bag(chance: random.Random) -> Image.Image:
    picture = _table(chance)
    pen = ImageDraw.Draw(picture)
    cloth = chance.choice(_CLOTHS)
    left, top = 150 + chance.randrange(-40, 60), 130 + chance.randrange(-20, 20)
    right, bottom = left + 220, top + 230
    pen.ellipse([left - 10, bottom - 24, right + 46, bottom + 24], fill=(120, 96, 70))
    for side in (left + 46, right - 96):
        pen.arc([side, top - 76, side + 50, top + 60], 180, 360, fill=_shaded(cloth, -30), width=12)
    pen.polygon([(left, top), (right, top), (right + 18, bottom), (left - 14, bottom)], fill=cloth)
    side_of_it = [(right, top), (right + 26, top + 26), (right + 40, bottom - 12), (right + 18, bottom)]
    pen.polygon(side_of_it, fill=_shaded(cloth, -26))
    for _ in range(chance.randrange(2, 5)):
        # What looks out of the bag: a towel, a bottle, a packet.
        x = left + 20 + chance.randrange(150)
        colour = tuple(chance.randrange(150, 245) for _ in range(3))
        pen.rectangle([x, top - chance.randrange(18, 52), x + chance.randrange(22, 48), top + 4], fill=colour)
    pen.line([(left + 6, top + 20), (right - 4, top + 20)], fill=(217, 154, 28), width=3)
    return picture.filter(ImageFilter.GaussianBlur(0.8))


def _paper(chance: random.Random) -> Image.Image:
    picture = _table(chance)
    sheet = Image.new("RGB", (270, 350), (252, 251, 246))
    pen = ImageDraw.Draw(sheet)
    pen.text((100, 14), "SAMPLE", fill=(120, 60, 60))
    pen.line([(20, 40), (250, 40)], fill=(90, 90, 90), width=2)
    total = 0
    for line in range(chance.randrange(4, 8)):
        y, price = 58 + line * 26, chance.randrange(2, 90) * 10
        total += price
        pen.line([(22, y + 6), (22 + chance.randrange(70, 140), y + 6)], fill=(120, 120, 128), width=5)
        pen.text((206, y), f"{price:>6}", fill=(60, 60, 66))
    pen.line([(150, 276), (250, 276)], fill=(90, 90, 90), width=1)
    pen.text((196, 284), f"{total:>7}", fill=(20, 20, 24))
    for _ in range(3):
        pen.arc([30, 290, 96, 340], chance.randrange(180), chance.randrange(200, 360), fill=(38, 70, 140), width=2)
    around = picture.getpixel((140, 40))
    turned = sheet.rotate(chance.uniform(-9, 9), expand=True, resample=Image.Resampling.BILINEAR, fillcolor=around)
    picture.paste(turned, (120 + chance.randrange(-40, 60), 20))
    return picture.filter(ImageFilter.GaussianBlur(0.6))


def _signature(chance: random.Random) -> Image.Image:
    """A pen's way through some points, drawn twice as large as it is kept so that its edges are soft."""
    picture = Image.new("L", (840, 280), 255)
    pen = ImageDraw.Draw(picture)
    points = [(60.0, 170.0)]
    for _ in range(chance.randrange(10, 15)):
        points.append((points[-1][0] + chance.uniform(26, 62), 156 + chance.uniform(-96, 70)))
    whole = [points[0], *points, points[-1]]
    for at in range(len(points) - 1):
        pen.line([_between(whole[at : at + 4], step / 12) for step in range(13)], fill=24, width=6, joint="curve")
    return picture.resize((420, 140), Image.Resampling.LANCZOS)


def _between(points: list[tuple[float, float]], t: float) -> tuple[float, float]:
    """A point of the smooth curve (Catmull and Rom's) from the second to the third of four points."""
    def along(a: float, b: float, c: float, d: float) -> float:
        return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t * t + (3 * b - a - 3 * c + d) * t * t * t)

    first, second = (along(*(one[axis] for one in points)) for axis in (0, 1))
    return first, second
