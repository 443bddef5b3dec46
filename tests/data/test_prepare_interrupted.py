"""A preparation that was killed, or whose disk was full, continues and gives the same bytes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import tiny
from alexnet_native.data import open_data
from alexnet_native.errors import DataError
from prepared import Preparation, contents, jpeg, prepare, request, write

SHARD = 4 * 3 * 32 * 32  # bytes of four records

# Prepares again and again, each time in a child of its own that kills itself before its n-th call
# of fsync, replace or rmtree, n a multiple of `step`; then the rest in another child. Prints the
# last n, and how often the rest began with records that were there.
DRIVER = """
import json, os, shutil, signal, sys
from pathlib import Path
sys.path[:0] = sys.argv[4:]
from alexnet_native.data.prepare import run
from prepared import Preparation, finished, request

run.SECONDS_BETWEEN_STATES = 0.0
run._CHUNK_BYTES = 3 * 3 * 32 * 32
source, place, step = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])

def go(folder, first):
    asked = request(source, folder, shard_bytes=4 * 3 * 32 * 32)
    if finished(asked) is None:
        Preparation(asked).run(2, lambda split, done, total: first.append(done))

def child(work):
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(work())
        except BaseException as error:
            print(error, file=sys.stderr, flush=True)
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def dying(number):
    left = [number]
    def fatal(module, name):
        real = getattr(module, name)
        def call(*args, **words):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), 9)
            return real(*args, **words)
        setattr(module, name, call)
    for module, name in ((os, "fsync"), (os, "replace"), (shutil, "rmtree")):
        fatal(module, name)
    go(place / str(number), [])
    return 0

def resuming(number):
    first = []
    go(place / str(number), first)
    return 3 if first and first[0] > 0 else 0

number, gone_on = step, 0
while (code := child(lambda: dying(number))) == -9:
    code = child(lambda: resuming(number))
    assert code in (0, 3), code
    gone_on += code == 3
    number += step
assert code == 0, code
print(json.dumps([number - step, gone_on]))
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fourteen training and three validation pictures of two classes; one of them cut off."""
    files = {f"train/{'ab'[i % 2]}/{i}.jpg": jpeg(i)[: 200 if i == 4 else None] for i in range(14)}
    files |= {f"val/{'ab'[i % 2]}/{i}.jpg": jpeg(50 + i) for i in range(3)}
    return write(tmp_path_factory.mktemp("pictures"), files)


@pytest.mark.parametrize("step", [17, pytest.param(1, marks=pytest.mark.slow)])
def test_a_preparation_killed_at_any_write_and_restarted_gives_the_same_bytes(
    source: Path, tmp_path: Path, step: int
) -> None:
    prepare(source, tmp_path / "want", shard_bytes=SHARD)
    place = tmp_path / "got"
    done = tiny.run_code(DRIVER, source, place, step, *filter(None, sys.path), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    last, gone_on = json.loads(done.stdout)
    assert last > 50 and gone_on > 0.6 * last / step
    want = contents(tmp_path / "want")
    for number in range(step, last + 1, step):
        assert contents(place / str(number)) == want, f"killed before write {number}"


# The command with a limit on the size of files, as if the disk became full.
LIMITED = """
import resource, sys
from alexnet_native.cli import main
from alexnet_native.data.prepare import run

run.SECONDS_BETWEEN_STATES = 0.0
run._CHUNK_BYTES = 3 * 3 * 32 * 32
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
sys.exit(main(sys.argv[2:]))
"""


def test_a_full_disk_is_an_error_message_and_the_preparation_can_be_continued(
    source: Path, tmp_path: Path
) -> None:
    words = ["prepare", str(source), "out", "--size", "32"]
    done = tiny.run_code(LIMITED, 10 * 3 * 32 * 32 + 99, *words, cwd=tmp_path)
    sentence = tiny.complaint(done)
    assert sentence.startswith("out/train-00000.bin cannot be written (File too large); free space")
    assert sentence.endswith("run the same command again to continue")
    with pytest.raises(DataError, match="is incomplete; run the same"):
        open_data(tmp_path / "out")
    seen: list[int] = []
    asked = request(source, tmp_path / "out", shard_bytes=384 * 1024**2)
    Preparation(asked).run(2, lambda split, done, total: seen.append(done))
    assert seen[0] == 9, "it began from the start"
    prepare(source, tmp_path / "want", shard_bytes=384 * 1024**2)
    assert contents(tmp_path / "out") == contents(tmp_path / "want")
