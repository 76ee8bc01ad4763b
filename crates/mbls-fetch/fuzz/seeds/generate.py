"""Writes small archives, valid and invalid ones, next to this script as the fuzzer's seeds. It needs only Python's standard
library; the committed files were written by Python 3.11."""

import gzip
import io
import pathlib
import stat
import tarfile
import zipfile

FOLDER = pathlib.Path(__file__).parent / "unpack"
# Indices in the target's list of kinds, plus 5 for each selection.
TAR, ZIP, TAR_GZ, GZ_BY_THE_TARGET, TAR_BOTH_WAYS = range(5)
ROOT, SKIP = 5, 10


def write(name, choice, content):
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / name).write_bytes(bytes([choice]) + content)


def tar(*entries, form=tarfile.USTAR_FORMAT, pax=None):
    file = io.BytesIO()
    with tarfile.TarFile(fileobj=file, mode="w", format=form, pax_headers=pax) as archive:
        for name, content in entries:
            entry = tarfile.TarInfo(name)
            entry.mode = 0o4755
            if isinstance(content, bytes):
                entry.size = len(content)
                entry.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            else:
                entry.type, entry.linkname = content, "../beside"
            archive.addfile(entry, io.BytesIO(content) if isinstance(content, bytes) else None)
    # Without the 9 KiB of zeros after the end mark.
    used = len(file.getvalue().rstrip(b"\0"))
    return file.getvalue()[: -(-used // 512) * 512 + 1024]


def zipped(*entries):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, method, mode, content in entries:
            entry = zipfile.ZipInfo(name)
            entry.external_attr, entry.compress_type = mode << 16, method
            archive.writestr(entry, content)
    return file.getvalue()


def packed(content):
    return gzip.compress(content, mtime=0)


plain = [("top/", b""), ("top/a", b"content"), ("top/b/c.skip", b"")]
write("tar", TAR, tar(*plain))
write("tar-both-ways-root", TAR_BOTH_WAYS + ROOT, tar(*plain))
write("tar-gz-skip", TAR_GZ + SKIP, packed(tar(*plain)))
write("gz", GZ_BY_THE_TARGET, b"content")
long = ("a/" + "name" * 30, b"1")
write("tar-gnu-name", TAR, tar(long, ("b", b"22"), form=tarfile.GNU_FORMAT))
write("tar-pax-name", TAR, tar(long, ("b", b"22"), form=tarfile.PAX_FORMAT, pax={"comment": "of all"}))
write("tar-climbs", TAR, tar(("top/../../climbs", b"1")))
write("tar-absolute", TAR, tar(("/climbs", b"1")))
write("tar-links", TAR, tar(("link", tarfile.SYMTYPE), ("a/link", tarfile.LNKTYPE)))
write("tar-twice", TAR_BOTH_WAYS, tar(("a", b"1"), ("./a", b"22")))

stored, deflated = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
folder, file, link = stat.S_IFDIR | 0o755, stat.S_IFREG | 0o4755, stat.S_IFLNK | 0o777
files = [("top/", stored, folder, b""), ("top/a", stored, file, b"1"), ("top/b.skip", deflated, file, b"content " * 20)]
write("zip", ZIP, zipped(*files))
write("zip-root", ZIP + ROOT, zipped(*files))
write("zip-skip", ZIP + SKIP, zipped(("a", stored, file, b"1"), ("b.skip", stored, file, b"2")))
write("zip-climbs", ZIP, zipped(("../climbs", stored, file, b"1")))
write("zip-link", ZIP, zipped(("link", stored, link, b"../beside")))
