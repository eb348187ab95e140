import os
import wave

import numpy as np
import pytest

from kerasmeta.episodes.audio.directory import audio_episodes_from_directory
from kerasmeta.episodes.audio.waveforms import episodes_from_waveforms
from kerasmeta.episodes.episode_spec import EpisodeSpec
from kerasmeta.layers.log_mel import LogMel

SPEC = EpisodeSpec(ways=2, shots=1, queries=2)


def write_wav(path, samples, rate=8000, channels=1, width=2):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(np.asarray(samples).tobytes())
    return path


@pytest.fixture
def folder(tmp_path):
    generator = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        for i in range(3):
            samples = generator.integers(-32768, 32768, 300 + 50 * i)
            write_wav(tmp_path / name / f"{i}.wav", samples.astype("int16"))
    return tmp_path


def same_episodes(found, expected):
    count = 0
    for (x, query_y), (other, other_y) in zip(found, expected, strict=True):
        np.testing.assert_array_equal(query_y, other_y)
        np.testing.assert_array_equal(x["support_x"], other["support_x"])
        np.testing.assert_array_equal(x["query_x"], other["query_x"])
        count += 1
    assert count


def test_files_give_the_episodes_of_their_samples(shared_file, tmp_path):
    with np.load(shared_file("data", "fsdd", "fsdd_wave_8k_i16.npz")) as file:
        data = dict(file)
    ids = np.flatnonzero((data["index"] < 4) & (data["digit"] < 3))
    names = data["speaker_names"][data["speaker"][ids]]
    # In the order in which folders and files are read.
    order = np.lexsort((data["index"][ids], data["digit"][ids], names))
    ids, names = ids[order], names[order]
    digits = data["digit"][ids]
    waveforms = []
    for i, name, digit in zip(ids, names, digits):
        first, end = data["offsets"][i : i + 2]
        waveforms.append(data["samples"][first:end])
        path = tmp_path / name / str(digit) / f"{data['index'][i]}.wav"
        write_wav(path, waveforms[-1])
    spec = EpisodeSpec(ways=3, shots=1, queries=2, within_groups=True)
    options = {"seed": 2, "num_episodes": 6, "length": 6000}
    found = audio_episodes_from_directory(tmp_path, spec, **options)
    expected = episodes_from_waveforms(
        waveforms, digits.astype(str), spec, groups=names, **options
    )
    same_episodes(found, expected)
    layer = LogMel(8000)
    found = audio_episodes_from_directory(
        tmp_path, spec, transform=layer, **options
    )
    expected = episodes_from_waveforms(
        waveforms, digits, spec, groups=names, transform=layer, **options
    )
    same_episodes(found, expected)


def test_classes_are_kept_and_the_longest_is_the_length(folder):
    write_wav(folder / "c" / "long.WAV", np.zeros(999, "int16"))
    data = audio_episodes_from_directory(folder, SPEC, classes=["a", "b"])
    assert data.element_spec[0]["support_x"].shape == (4, 2, 400)
    data = audio_episodes_from_directory(folder, SPEC)
    assert data.element_spec[0]["support_x"].shape == (4, 2, 999)
    with pytest.raises(ValueError, match="`classes`.*'d'"):
        audio_episodes_from_directory(folder, SPEC, classes=["a", "d"])


def test_stereo_is_averaged(tmp_path):
    left = np.array([100, -32768, 32767, 7], "int16")
    right = np.array([300, -32768, 32767, -8], "int16")
    for name in ("a", "b"):
        for i in range(3):
            stereo = np.stack([left, right], axis=1)
            write_wav(tmp_path / name / f"{i}.wav", stereo, channels=2)
    data = audio_episodes_from_directory(tmp_path, SPEC, num_episodes=1)
    x, _ = next(iter(data))
    np.testing.assert_array_equal(
        x["support_x"][0, 0] * 32768, [200, -32768, 32767, 0]
    )


def test_sample_rates_must_agree(folder):
    audio_episodes_from_directory(folder, SPEC, sample_rate=8000)
    with pytest.raises(ValueError, match="8000 Hz, not the 16000 Hz asked"):
        audio_episodes_from_directory(folder, SPEC, sample_rate=16000)
    write_wav(folder / "b" / "1.wav", np.zeros(9, "int16"), rate=16000)
    with pytest.raises(ValueError, match=r"b.1\.wav' of 16000 Hz.*a.0\.wav"):
        audio_episodes_from_directory(folder, SPEC)
    with pytest.raises(ValueError, match="sample_rate=0"):
        audio_episodes_from_directory(folder, SPEC, sample_rate=0)


@pytest.mark.parametrize(
    "damage, words",
    [
        (lambda data: data[:-5], "whole.*too short"),
        (lambda data: data[:20], "whole.*too short"),
        (lambda data: b"", "whole.*too short"),
        (lambda data: b"I am a text, not a sound.", "Expected RIFF"),
        (lambda data: data[:20] + b"\x03" + data[21:], "Expected 1 .PCM"),
    ],
    ids=["cut", "header", "empty", "text", "float"],
)
def test_a_damaged_file_is_named(folder, damage, words):
    path = folder / "b" / "1.wav"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=rf"{words}") as error:
        audio_episodes_from_directory(folder, SPEC)
    assert str(path) in str(error.value)
    assert "{{" not in str(error.value) and "Op:" not in str(error.value)


def test_other_widths_and_no_samples_are_said(folder):
    path = folder / "b" / "1.wav"
    write_wav(path, np.zeros(9, "uint8"), width=1)
    with pytest.raises(ValueError, match=r"16-bit PCM.*1\.wav.*received 8"):
        audio_episodes_from_directory(folder, SPEC)
    write_wav(path, [])
    with pytest.raises(ValueError, match=r"one sample or more.*1\.wav"):
        audio_episodes_from_directory(folder, SPEC)


def test_an_extensible_header_is_said(folder):
    path = folder / "b" / "1.wav"
    data = path.read_bytes()
    extended = data[20:36] + bytes([22, 0, 16, 0]) + bytes(20)
    header = data[:16] + (40).to_bytes(4, "little") + b"\xfe\xff" + extended[2:]
    path.write_bytes(header + data[36:])
    with pytest.raises(ValueError, match=r"1\.wav.*WAVE_FORMAT_EXTENSIBLE"):
        audio_episodes_from_directory(folder, SPEC)


def test_names_may_be_of_any_encoding(folder):
    before = audio_episodes_from_directory(folder, SPEC, num_episodes=2)
    for name in ("a", "b", "c"):
        new = os.fsencode(folder / name) + b"/3\xe9.wav"
        os.rename(folder / name / "2.wav", os.fsdecode(new))
    after = audio_episodes_from_directory(folder, SPEC, num_episodes=2)
    same_episodes(after, before)


def test_other_files_are_said(folder):
    (folder / "b" / "notes.mp3").write_bytes(b"")
    with pytest.raises(ValueError, match=r"\.wav.*notes\.mp3"):
        audio_episodes_from_directory(folder, SPEC)
