"""What decoding an image had to leave out is told where a person looks at that image."""

from image_files import chunk, saved
from PIL import Image

from imagemake.cli.inspect_lines import lines_of
from imagemake.store.layout import STORE
from imagemake.store.store import Store
from imagemake.versions.inspect import Inspector

KEY = "a" * 64


def test_a_color_profile_that_was_ignored_is_told(tmp_path):
    plain = saved(Image.new("RGB", (8, 8), "red"), "png")
    end_of_header = 8 + 12 + 13
    data = plain[:end_of_header] + chunk(b"iCCP", b"broken\0\0no deflate stream") + plain[end_of_header:]
    Store(tmp_path / STORE).raw.put(KEY, data, durable=False)
    found = Inspector(tmp_path).inspect(KEY)
    assert found.raw_notes == ("the color profile was ignored: it cannot be unpacked",)
    assert any("it cannot be unpacked" in line for line in lines_of(found))
