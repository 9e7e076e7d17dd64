"""What a power cut would leave of a folder: content that was forced to disk, under names that were forced to disk."""

import os
import stat
from hashlib import sha256
from pathlib import Path

import orjson


class PowerCut:
    """Looks at what would be left at each moment in which something is forced to disk.

    Attributes:
        moments: What would be left, by path in the folder, after each time that something was forced to disk.
    """

    def __init__(self, root, monkeypatch):
        root.mkdir(parents=True, exist_ok=True)
        self.root, self.moments = root, []
        self._contents, self._names, self._fsync = {}, {}, os.fsync
        monkeypatch.setattr(os, "fsync", self._forced)

    def _forced(self, handle):
        self._fsync(handle)
        status, path = os.fstat(handle), f"/proc/self/fd/{handle}"
        if stat.S_ISDIR(status.st_mode):
            self._names[str(Path(path).readlink())] = {one.name: one.inode() for one in os.scandir(path)}
        else:
            self._contents[status.st_ino] = Path(path).read_bytes()
        self.moments.append(self.left())

    def left(self):
        """Return the content of each file that would be left now, by path in the folder."""
        files = (path for path in self.root.rglob("*") if path.is_file())
        found = {str(path.relative_to(self.root)): self._content(path) for path in files}
        return {path: content for path, content in found.items() if content is not None}

    def _content(self, path):
        for one in (path, *path.parents):
            if one == self.root:
                return self._contents.get(path.stat().st_ino)
            if self._names.get(str(one.parent), {}).get(one.name) != one.stat().st_ino:
                return None
        return None


def records(left):
    """Return the records of the journal in what would be left."""
    journals = (content for path, content in left.items() if path.startswith("journal/"))
    return [orjson.loads(line) for content in journals for line in content.splitlines() if line]


def lost(left):
    """Return the records of what was paid for whose bytes would be lost."""
    digests = {sha256(content).hexdigest() for path, content in left.items() if path.startswith("raw/")}
    made = [one for one in records(left) if one.get("outcome") == "made" and one["digest"] not in digests]
    more = [one for one in records(left) if any(f"more/{name}" not in left for name in one.get("more", ()))]
    bodies = [one for one in records(left) if one.get("outcome") == "unreadable"]
    return [*made, *more, *(one for one in bodies if f"unreadable/{one['call']}.bin" not in left)]
