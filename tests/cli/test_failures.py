"""Failures: one sentence that names the file or field, exit code 1, nothing half-written."""

from __future__ import annotations

import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import alexnet_native
import numpy as np
import pytest
import tiny
from alexnet_native import Net, checkpoint
from alexnet_native.cli import main
from alexnet_native.training import fit
from PIL import Image


@pytest.fixture
def place(tmp_path: Path) -> Path:
    tiny.write_net(tmp_path / "net.toml")
    tiny.write_npz(tmp_path / "data.npz")
    return tmp_path


def train(place: Path, *words: object, **changes: str) -> subprocess.CompletedProcess[str]:
    return tiny.run("train", "--net", "net.toml", "--out", "run", *words, cwd=place, **changes)


def picture_folder(place: Path) -> Path:
    images, labels = tiny.arrays(16)
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        for split in ("train", "val"):
            folder = place / "photos" / split / "abcd"[label]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(folder / f"{index}.jpg")
    return place / "photos"


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_damaged_jpeg_is_named(place: Path, split: str) -> None:
    picture = picture_folder(place) / split / "b" / "5.jpg"
    picture.write_bytes(picture.read_bytes()[:200])
    assert f"{split}/b/5.jpg is damaged" in tiny.complaint(train(place, "--data", "photos"))
    assert not (place / "run").exists()


def test_an_empty_class_folder_is_named(place: Path) -> None:
    (picture_folder(place) / "train" / "e").mkdir()
    assert "photos/train/e" in tiny.complaint(train(place, "--data", "photos"))
    assert not (place / "run").exists()


def test_a_truncated_cifar_file_is_named(place: Path) -> None:
    folder = place / "cifar"
    folder.mkdir()
    for name in (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"):
        (folder / name).write_bytes(bytes(3073 * 4))
    (folder / "data_batch_3.bin").write_bytes(bytes(3073 * 4 - 5))
    assert "data_batch_3.bin" in tiny.complaint(train(place, "--data", "cifar"))
    assert not (place / "run").exists()


def test_a_label_out_of_range_is_named(place: Path) -> None:
    images, labels = tiny.arrays(8)
    labels[5] = -3
    np.savez(place / "bad.npz", images=images, labels=labels)
    sentence = tiny.complaint(train(place, "--data", "bad.npz"))
    assert "bad.npz" in sentence and "-3" in sentence
    assert not (place / "run").exists()


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("--data", "nowhere"), ("nowhere", "demo")),
        (("--data", "data.npz", "--net", "alexnett"), ("alexnett", "did you mean", "caffenet")),
        (("--data", "data.npz", "--net", "no.toml"), ("no.toml", "does not exist")),
        (("--data", "data.npz", "--devices", "gpu:0"), ("gpu:0", "cpu:0")),
        (("--data", "data.npz", "--freeze", "conv9"), ("conv9", "conv1, fc2")),
        (("--data", "data.npz", "--batch-size", "0"), ("batch_size is 0", "at least 1")),
        (("--data", "data.npz", "--engine", "magic"), ("magic",)),
        (("--data", "data.npz", "--schedule", "cosine"), ("cosine", "plateau")),
        (("--data", "data.npz", "--classes", "2"), ("classes is 2", "4")),
        (("--data", "data.npz", "--crop", "64"), ("64", "10")),
        (("--data", "data.npz", "--precision", "fp8"), ("precision", "tf32 or bf16 or fp64")),
        (("--data", "data.npz", "--set", "rate=1"), ("rate", "training.lr")),
    ],
)  # fmt: skip
def test_a_wrong_name_or_value_is_said_with_what_exists(
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    parts: tuple[str, ...],
) -> None:
    monkeypatch.chdir(place)
    assert main(["train", "--net", "net.toml", "--out", "run", *words]) == 1
    [sentence] = capsys.readouterr().err.splitlines()
    for part in parts:
        assert part in sentence
    assert not (place / "run").exists()


def test_a_training_that_diverges_leaves_no_checkpoint_behind(place: Path) -> None:
    sentence = tiny.complaint(train(place, "--data", "data.npz", "--lr", "1e30"))
    # On GPUs the loss is read after the update.
    where = r"(the first layer to overflow is|the update has already been applied)"
    assert re.search(rf"the loss is not finite at step 2; {where}", sentence)
    assert not list(place.glob("run/checkpoints/*"))


def test_a_checkpoint_of_another_network_is_refused_by_name(place: Path) -> None:
    assert train(place, "--data", "data.npz", "--steps", 1).returncode == 0
    text = (place / "net.toml").read_text().replace("channels = 6", "channels = 7")
    (place / "other.toml").write_text(text)
    sentence = tiny.complaint(
        tiny.run("train", "--resume", "run", "--net", "other.toml", cwd=place)
    )
    assert "net was net.toml" in sentence and "other.toml" in sentence


@pytest.mark.parametrize("command", ["evaluate", "predict", "train"])
def test_a_damaged_checkpoint_is_named(
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
) -> None:
    fit(tiny.net(), tiny.data(), steps=1, out=place / "run", verbose=False)
    file = (place / "run" / "checkpoints" / "latest").resolve()
    file.write_bytes(file.read_bytes()[:-7])
    words = {
        "evaluate": ("evaluate", "run"),
        "predict": ("predict", "run", "net.toml"),
        "train": ("train", "--resume", "run"),
    }[command]
    monkeypatch.chdir(place)
    assert main(words) == 1
    [sentence] = capsys.readouterr().err.splitlines()
    assert "step-00000001.safetensors is damaged" in sentence


def test_a_missing_checkpoint_or_picture_is_named(place: Path) -> None:
    assert "nowhere" in tiny.complaint(tiny.run("evaluate", "nowhere", cwd=place))
    tiny.net().save(place / "f")
    assert "--data" in tiny.complaint(tiny.run("evaluate", "f", cwd=place))
    assert "cat.jpg" in tiny.complaint(tiny.run("predict", "f", "cat.jpg", cwd=place))
    assert "net.toml" in tiny.complaint(tiny.run("predict", "f", "net.toml", cwd=place))


def test_data_with_other_classes_is_refused(place: Path) -> None:
    assert train(place, "--data", "data.npz", "--steps", 1).returncode == 0
    images, labels = tiny.arrays(8)
    np.savez(place / "other.npz", images=images, labels=labels, classes=np.array(list("abxd")))
    sentence = tiny.complaint(
        tiny.run("evaluate", "run", "--data", "other.npz", "--split", "train", cwd=place)
    )
    assert "class 2 is x in the data and c in the checkpoint" in sentence
    no_val = tiny.run("evaluate", "run", "--data", "other.npz", cwd=place)
    assert "class 2" in tiny.complaint(no_val)


def small_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))


def test_a_disk_without_room_for_a_checkpoint_ends_in_a_sentence(place: Path) -> None:
    words = ("train", "--net", "net.toml", "--data", "data.npz", "--out", "run")
    assert tiny.run(*words, "--epochs", 1, cwd=place).returncode == 0
    words = tiny.command("train", "--resume", "run", "--epochs", 2)
    done = tiny.spawn(words, cwd=place, preexec_fn=small_files)
    sentence = tiny.complaint(done)
    assert "step-00000010.safetensors cannot be written" in sentence
    assert "step-00000005.safetensors; free some space and continue with" in sentence
    assert checkpoint.load(place / "run").step == 5
    assert not list(place.glob("run/**/.*"))
    assert tiny.run("train", "--resume", "run", "--epochs", 2, cwd=place).returncode == 0


def test_a_folder_that_cannot_be_written_ends_in_a_sentence(place: Path) -> None:
    (place / "run").write_text("a file where a folder should be")
    sentence = tiny.complaint(train(place, "--data", "data.npz"))
    assert "run" in sentence and (place / "run").read_text().startswith("a file")


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (
            ("train", "--bath-size", "3"),
            "there is no option --bath-size; did you mean --batch-size?",
        ),
        (("describe", "alexnet", "--zzz"), "there is no option --zzz; the options are -h"),
        (("train", "--epochs", "many"), "epochs is 'many'; it must be an integer"),
        (("trian",), "trian"),
        ((), "a command is required"),
        (("evaluate", "x", "--views", "3"), "invalid choice"),
        (("predict", "x"), "IMAGE"),
    ],
)
def test_wrong_usage_ends_with_2(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], part: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert part in capsys.readouterr().err


COMMANDS = (
    "prepare", "train", "recipe", "evaluate", "ensemble", "predict", "describe", "gradcheck",
    "devices", "bench",
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_each_help_has_an_example(capsys: pytest.CaptureFixture[str], command: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert f"  alexnet-native {command} " in text.partition("example")[2]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_each_option_states_its_default(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("COLUMNS", "400")  # one line for each option
    with pytest.raises(SystemExit):
        main([command, "--help"])
    options = re.findall(r"^  -.+(?:\n {8,}.+)*", capsys.readouterr().out, flags=re.MULTILINE)
    assert options[0].startswith("  -h, --help") and len(options) > 1
    assert [option for option in options[1:] if "(default: " not in option] == []


def test_the_help_of_train_states_the_defaults_of_the_settings(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    text = capsys.readouterr().out
    for option, default in (
        ("--lr X", "from the network"),
        ("--seed N", "0"),
        ("--devices A,B", "cpu:0"),
        ("--freeze A,B", "none"),
        ("--init-from NAME", "none"),
        ("--color-off N", "never"),
        ("--schedule-factor X", "0.1"),
        ("--batch-size N", "from the network; 16 with few images"),
    ):
        assert re.search(rf"^  {option} .*\(default: {default}\)$", text, flags=re.MULTILINE), (
            option
        )


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("describe", "cifar10-quick", "--batch", "0"), "--batch is 0; it must be at least 1"),
        (("describe", "cifar10-quick", "--classes", "0"), "classes"),
        (("describe", "cifar10-quick", "--activation", "tanh"), "activation"),
        (("describe", "figure1", "--activation", "sine"), "sine"),
        (("gradcheck", "cifar10-quick", "--samples", "0"), "--samples is 0"),
    ],
)
def test_commands_refuse_values_out_of_range(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], part: str
) -> None:
    assert main(words) == 1
    [sentence] = capsys.readouterr().err.splitlines()
    assert part in sentence


def test_alexnet_debug_shows_the_traceback(place: Path) -> None:
    done = tiny.run("describe", "nothing", cwd=place, ALEXNET_DEBUG="1")
    assert done.returncode == 1 and "Traceback" in done.stderr


def test_a_closed_pipe_is_no_failure_to_report(place: Path) -> None:
    words = subprocess.list2cmdline(tiny.command("describe", "net.toml", "--program"))
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash")
    done = tiny.spawn([bash, "-c", f"{words} | true"], cwd=place)
    assert done.stderr == ""


def test_a_net_saved_from_python_predicts_without_names(place: Path) -> None:
    Net(tiny.description()).save(place / "f")
    Image.fromarray(tiny.arrays(1)[0][0]).save(place / "x.png")
    done = tiny.run("predict", "f", "x.png", "--top", 1, cwd=place)
    assert done.returncode == 0 and done.stdout.splitlines()[1].split()[-1] in "0123"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_run_with_closed_streams_is_trained_and_saved(place: Path, closed: str) -> None:
    words = tiny.command("train", "--net", "net.toml", "--data", "data.npz", "--out", "run")
    shell = ["sh", "-c", f'exec "$@" {closed}', "sh", *words, "--epochs", "1"]
    assert tiny.spawn(shell, cwd=place).returncode == 0
    assert checkpoint.load(place / "run").step == 5
    # Without an error message, only the exit code can tell.
    wrong = ["sh", "-c", f'exec "$@" {closed}', "sh", *tiny.command("describe", "nothing")]
    assert tiny.spawn(wrong, cwd=place).returncode == 1


def test_a_file_never_gets_the_descriptor_of_a_closed_stream(place: Path) -> None:
    code = (
        "import os, sys\n"
        "from alexnet_native.cli import main\n"
        "assert main(['describe', 'net.toml']) == 0\n"
        "file = open('f')\n"
        "sys.exit(0 if file.fileno() > 2 else 3)"
    )
    words = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-c", code]
    (place / "f").write_text("")
    assert tiny.spawn(words, cwd=place).returncode == 0


def test_main_prints_to_a_replaced_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    class Log:
        text = ""

        def write(self, text: str) -> None:
            self.text += text

    log = Log()
    monkeypatch.setattr(sys, "stdout", log)
    assert main(["recipe"]) == 0
    assert "quick" in log.text


def test_the_source_folder_without_a_core_is_named(tmp_path: Path) -> None:
    package = tmp_path / "python" / "alexnet_native"
    source = Path(alexnet_native.__file__).parent
    built = shutil.ignore_patterns("_core.*.so", "_libs", "__pycache__")
    shutil.copytree(source, package, ignore=built)
    words = (sys.executable, "-m", "alexnet_native", "devices")
    sentence = tiny.complaint(tiny.spawn([*words], cwd=tmp_path / "python"))
    assert f"the folder {package} contains the package's source" in sentence
    for name in ("Net", "pinned_empty", "__version__"):
        code = f"import alexnet_native; alexnet_native.{name}"
        done = tiny.spawn([sys.executable, "-c", code], cwd=tmp_path / "python")
        assert f"ImportError: the folder {package} contains" in done.stderr
