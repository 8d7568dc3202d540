"""Pictures drawn anew before anybody sees them: no position, no device, no thumbnail within, nothing hidden behind.

Knows bytes; knows no submission.
"""

from __future__ import annotations

import io
import warnings

from PIL import Image, ImageOps, UnidentifiedImageError

from namjai.problems import Problem

# A picture of a tablet has about 12 million points; a bomb of a few kilobytes unfolds to billions.
MOST_POINTS = 60_000_000
LONGEST = 2400
THUMB = (336, 252)
_FORMATS = ("JPEG", "PNG")


class PictureUnreadable(Problem):
    code, http_status = "picture-unreadable", 422
    en = "This picture cannot be shown safely: it is broken, or far too large. It is kept, and can be downloaded."
    th = "แสดงรูปนี้อย่างปลอดภัยไม่ได้ เพราะไฟล์เสียหรือใหญ่เกินไป ระบบเก็บไฟล์ไว้และดาวน์โหลดได้"


def redrawn(content: bytes, *, thumb: bool = False) -> tuple[bytes, str]:
    """A picture without anything but its points, and its content type. Raises PictureUnreadable."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=_FORMATS) as source:
                if source.width * source.height > MOST_POINTS:
                    raise PictureUnreadable()
                kind = source.format
                if kind == "JPEG":
                    # Decodes at a fraction of the size where a fraction is wanted.
                    source.draft("RGB", THUMB if thumb else (LONGEST, LONGEST))
                drawn = ImageOps.exif_transpose(source)
                drawn.thumbnail(THUMB if thumb else (LONGEST, LONGEST))
                return _written(drawn, kind)
    except (
        UnidentifiedImageError,
        OSError,
        ValueError,
        SyntaxError,
        EOFError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as error:
        raise PictureUnreadable() from error


def _written(drawn: Image.Image, kind: str | None) -> tuple[bytes, str]:
    out = io.BytesIO()
    if kind == "PNG":
        clean = drawn.convert("RGBA" if "A" in drawn.getbands() or "transparency" in drawn.info else "RGB")
        Image.frombytes(clean.mode, clean.size, clean.tobytes()).save(out, "PNG")
        return out.getvalue(), "image/png"
    clean = drawn.convert("RGB")
    Image.frombytes(clean.mode, clean.size, clean.tobytes()).save(out, "JPEG", quality=85)
    return out.getvalue(), "image/jpeg"
