"""A Net in pickle and copy, and in the children of a process."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from alexnet_native import Net
from alexnet_native.net import BaseNet
from tiny_nets import batch, two_towers

COPIES: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
    "pickle 2": lambda value: pickle.loads(pickle.dumps(value, protocol=2)),
}


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_of_a_net_is_refused_with_what_to_do(kind: str) -> None:
    for net in (Net(two_towers()), BaseNet(two_towers(), devices=tiny.FIRST)):
        with pytest.raises(TypeError, match=r"net\.save\(path\).* Net\.load\(path\)"):
            COPIES[kind](net)
        with pytest.raises(TypeError, match=r"net\.save\(path\).* Net\.load\(path\)"):
            copy.deepcopy({"nets": [net]})
        with pytest.raises(TypeError, match=r"net\.save\(path\).* Net\.load\(path\)"):
            pickle.dumps(net.predict)  # as multiprocessing pickles it
        with pytest.raises(TypeError, match=r"dict\(net\.params\)"):
            COPIES[kind](net.params)


@pytest.mark.parametrize("kind", COPIES)
def test_results_can_be_pickled_and_copied(kind: str) -> None:
    images, labels = batch(5)
    net = Net(two_towers())
    progress = net.train_step(images, labels, lr=0.1, wait=False)
    again = COPIES[kind](progress)
    assert again == progress and again.loss == progress.loss and again.step == 1
    found = net.evaluate(images, labels)
    assert COPIES[kind](found) == found
    values = COPIES[kind](dict(net.params))
    assert all(np.array_equal(values[name], net.params[name]) for name in values)


def spawned(path: Path, queue: Any) -> None:
    images, _ = batch(2)
    queue.put(BaseNet.load(path, devices=tiny.FIRST).predict(images))


def test_a_spawned_process_loads_the_net(tmp_path: Path) -> None:
    net = Net(two_towers())
    net.save(tmp_path / "f")
    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    child = context.Process(target=spawned, args=(tmp_path / "f", queue))
    child.start()
    found = queue.get()
    child.join(60)
    assert child.exitcode == 0 and np.array_equal(found, net.predict(batch(2)[0]))


FORK = """
import os, sys, time, traceback
import numpy as np
from alexnet_native import Net, _core

net = Net("net.toml", devices="cpu:0", threads=2)
images = np.random.default_rng(0).normal(size=(8, 3, 8, 8)).astype(np.float32)
labels = np.arange(8) % 4
net.train_step(images, labels, lr=0.01)
before = net.predict(images)

def refused(use):
    try:
        use()
    except _core.UnavailableError as error:
        assert "before its process was forked" in str(error), error
    else:
        raise AssertionError(use)

def old():
    for use in (
        lambda: net.predict(images), lambda: net.train_step(images, labels, lr=0.1),
        lambda: net.evaluate(images, labels), lambda: net.features(images, "conv1"),
        lambda: net.params["conv1.bias"], lambda: net.save("child"), lambda: net.describe(8),
        lambda: net.params.__setitem__("conv1.bias", np.zeros(6)), lambda: net.set_rates(0.1),
        lambda: net.native.param_names(), lambda: net.find_nonfinite(), lambda: net.steps_ahead,
        lambda: net.fit((np.zeros((8, 8, 8, 3), np.uint8), labels), epochs=1, verbose=False),
    ):
        refused(use)
    assert not os.path.exists("child")
    repr(net), net.classes, net.input_shape

def new():
    own = Net("net.toml", devices="cpu:0", threads=2)
    own.train_step(images, labels, lr=0.01)
    assert np.array_equal(own.predict(images), before)

def delete():
    global net
    del net

def again():
    pid = os.fork()  # a fork of the fork
    if pid == 0:
        old()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0

pid = os.fork()
if pid == 0:
    try:
        {"old": old, "new": new, "delete": delete, "again": again, "end": int}[sys.argv[1]]()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    sys.exit(0)  # as a script ends, not as multiprocessing does
end = time.monotonic() + 60
while time.monotonic() < end:
    done, status = os.waitpid(pid, os.WNOHANG)
    if done:
        assert np.array_equal(net.predict(images), before)  # the parent's is as it was
        sys.exit(os.waitstatus_to_exitcode(status))
    time.sleep(0.02)
os.kill(pid, 9)
sys.exit("the child hangs")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.parametrize("what", ["old", "new", "delete", "again", "end"])
def test_in_a_forked_child_an_old_net_is_refused_and_a_new_one_works(
    tmp_path: Path, what: str
) -> None:
    tiny.write_net(tmp_path / "net.toml")
    done = tiny.run_code(FORK, what, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
