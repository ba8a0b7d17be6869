"""The example of RNNoise: features as the paper has them, sound through the published models, frame by frame."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from paths import ROOT
from scipy.io import wavfile
from scipy.signal import firwin, lfilter

from fastgru import config
from fastgru.layers import GRU, Concatenate, Dense, Input
from fastgru.models import Functional, Model, Sequential, load_model
from fastgru.streaming import Sessions, stepper

PROGRAM = ROOT / "examples" / "rnnoise.py"
PUBLISHED = ("hhetui__Rnnoise__weights.hdf5", "makobouzu__rnnoise__weights.hdf5")


def _program() -> Any:
    spec = spec_from_file_location("rnnoise", PROGRAM)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


rnnoise = _program()
SECOND = rnnoise.RATE


@pytest.fixture
def tiles() -> Iterator[None]:
    config.set_products("tiles")
    yield
    config.set_products("auto")


@pytest.fixture
def model() -> Functional:
    """A model with RNNoise's layers and random weights."""
    heard = Input((None, 42))
    dense = Dense(24, activation="tanh")(heard)
    speech = GRU(24, return_sequences=True, reset_after=False)(dense)
    noise = GRU(48, activation="relu", return_sequences=True, reset_after=False)(
        Concatenate()([dense, speech, heard]),
    )
    gains = GRU(96, return_sequences=True, reset_after=False)(Concatenate()([speech, noise, heard]))
    outputs = [Dense(22, activation="sigmoid")(gains), Dense(1, activation="sigmoid")(speech)]
    return Model(heard, outputs)


class AllThrough:
    """In the place of sessions: every gain is 1."""

    def open(self) -> int:
        return 0

    def step(self, ids: Any, features: Any) -> Any:
        return np.ones((len(ids), 22)), np.ones((len(ids), 1))

    def close(self, ids: Any) -> None:
        pass


class Noted:
    """Sessions that note what they are asked and what they answer."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self.open, self.close = sessions.open, sessions.close
        self.features: list[Any] = []
        self.answers: list[Any] = []

    def step(self, ids: Any, features: Any) -> Any:
        self.features.append(features)
        self.answers.append(self._sessions.step(ids, features))
        return self.answers[-1]


def voice(seconds: float) -> SimpleNamespace:
    """Syllables of harmonics whose pitch and formants move, with pauses; `speaks` says where, `pauses` where not."""
    t = np.arange(int(seconds * SECOND)) / SECOND
    pitch = 140 + 30 * np.sin(4.4 * t) + 15 * np.sin(14.5 * t)
    phase = 2 * np.pi * np.cumsum(pitch) / SECOND
    first, second = 500 + 200 * np.sin(6.9 * t), 1500 + 500 * np.sin(5 * t + 1)
    samples = np.zeros_like(t)
    for harmonic in range(1, 30):
        frequency = harmonic * pitch
        peaks = [(1, first, 150), (0.5, second, 250), (0.2, 2600, 400)]
        formants = sum(height * np.exp(-(((frequency - at) / width) ** 2)) for height, at, width in peaks)
        samples += (formants + 0.02 / harmonic) * np.sin(harmonic * phase)
    ramp = np.hanning(2400) / np.hanning(2400).sum()
    on = np.convolve(t % 2 < 1.2, ramp, "same")
    samples *= on * np.clip(1.5 * np.sin(6 * np.pi * t) + 0.3, 0, 1)
    heard = t > 1  # what comes before is left out of every measure: a network that hears something new needs a while
    samples *= 3000 / np.sqrt(np.square(samples[samples != 0]).mean())
    return SimpleNamespace(samples=samples, speaks=heard & (on > 0.99), pauses=heard & (on < 0.01))


def rumble(rng: np.random.Generator, like: SimpleNamespace, decibel: float) -> Any:
    """Noise that falls with the frequency, so far below a voice."""
    noise = lfilter([1], [1, -0.98], rng.normal(size=like.samples.size))
    power = np.square(like.samples[like.speaks]).mean() / 10 ** (decibel / 10)
    return noise * np.sqrt(power / np.square(noise).mean())


def level(samples: Any) -> float:
    return 10 * float(np.log10(np.square(samples).mean()))


def test_gains_of_one_leave_what_is_heard_as_it_is_and_not_later(rng) -> None:
    like = voice(2)
    below_16_khz = lfilter(firwin(201, 16_000, fs=SECOND), [1], like.samples + rumble(rng, like, 10))
    noisy = below_16_khz[:-7, None].astype(np.float32)
    clean, report = rnnoise.denoise(AllThrough(), noisy)
    expected = lfilter(*rnnoise.HIGH_PASS, noisy, axis=0)
    assert clean.shape == noisy.shape and len(report.speech) == -(-len(noisy) // 480)
    assert level((clean - expected)[:-480]) < level(expected) - 60
    assert level((clean - expected)[-480:]) < level(expected) - 20  # a click, above 20 kHz, where it breaks off


@pytest.mark.parametrize("period", [75, 120, 218, 343, 480, 700])
def test_the_pitch_is_that_of_the_sound(rng, period) -> None:
    pulses = np.zeros(SECOND // 2)
    pulses[::period] = 3000
    sound = lfilter([1], [1, -1.6, 0.8], pulses) + rng.normal(size=pulses.size)  # one formant
    analysis = rnnoise.Analysis()
    frames = sound.reshape(-1, 480).astype(np.float32)
    periods = [round(100 * float(analysis.frame(frame).features[40])) + 300 for frame in frames]
    assert np.abs(np.median(periods[10:]) - period) <= 1
    assert np.mean(np.abs(np.array(periods[10:]) - period) <= 2) > 0.9


def test_quiet_bands_beside_loud_ones_count_as_much_as_their_neighbours_let(rng) -> None:
    for _ in range(50):
        energy = np.exp(rng.normal(0, 8, size=22))
        largest = before = -2.0
        expected = []
        for log in np.log10(0.01 + energy):
            before = max(log, largest - 7, before - 1.5)
            largest = max(largest, before)
            expected.append(before)
        np.testing.assert_allclose(rnnoise.log_energies(energy), expected, atol=1e-6)


def test_bands_share_out_the_energy_below_20_khz(rng) -> None:
    np.testing.assert_allclose(rnnoise.TRIANGLES.sum(axis=0), np.arange(481) < 400, atol=1e-6)
    spectrum = rng.normal(size=481) + 1j * rng.normal(size=481)
    whole = np.square(np.abs(spectrum[32:240])).sum()  # where all triangles are whole
    parts = rnnoise.bands(np.where((np.arange(481) >= 32) & (np.arange(481) < 240), spectrum, 0), spectrum)
    assert parts.sum() == pytest.approx(whole, rel=1e-5)


def test_features_of_a_steady_tone_hold_still() -> None:
    tone = (3000 * np.sin(2 * np.pi * 200 * np.arange(SECOND // 2) / SECOND)).astype(np.float32)
    analysis = rnnoise.Analysis()
    features = np.stack([analysis.frame(frame).features for frame in tone.reshape(-1, 480)])[20:]
    np.testing.assert_allclose(features[:, 22:34], 0, atol=1e-2)  # differences in time
    np.testing.assert_allclose(features[:, 41], -2.1, atol=1e-2)
    assert features[:, 34:40].max() < 22**0.5 and features.dtype == np.float32


def test_silence_goes_past_the_model(model) -> None:
    sessions = Noted(Sessions(model, capacity=1))
    clean, report = rnnoise.denoise(sessions, np.zeros((4800, 1), np.float32))
    assert not clean.any() and not report.speech.any() and sessions.features == []


@pytest.mark.usefixtures("tiles")
def test_frame_by_frame_is_the_whole_sequence(rng, model) -> None:
    whole_and_steps_agree(model, rng)


@pytest.mark.usefixtures("tiles")
@pytest.mark.parametrize("file", PUBLISHED)
def test_frame_by_frame_is_the_whole_sequence_of_a_published_model(rng, shared: Path, file: str) -> None:
    whole_and_steps_agree(load_model(shared / "models" / file, compile=False), rng)


@pytest.mark.parametrize("file", PUBLISHED)
def test_a_published_model_steps_from_c(shared: Path, file: str) -> None:
    assert "fastgru.stream" in repr(stepper(load_model(shared / "models" / file, compile=False)))


def whole_and_steps_agree(model: Functional, rng: np.random.Generator) -> None:
    like = voice(1.5)
    sessions = Noted(Sessions(model, capacity=1))
    rnnoise.denoise(sessions, (like.samples + rumble(rng, like, 10))[:, None])
    for whole, steps in zip(
        model.predict(np.stack(sessions.features, axis=1)), zip(*sessions.answers, strict=True), strict=True
    ):
        np.testing.assert_array_equal(whole, np.stack(steps, axis=1))


def test_a_channel_sounds_as_it_does_alone(rng, model) -> None:
    like = voice(2)
    both = np.stack([like.samples + rumble(rng, like, 10), rumble(rng, like, 3)], axis=1)
    both[SECOND // 4 : SECOND // 2, 0] = 0  # where the first is silent, the model answers to the second alone
    sessions = Sessions(model, capacity=2)
    stereo, report = rnnoise.denoise(sessions, both)
    for channel in range(2):
        alone, alone_report = rnnoise.denoise(sessions, both[:, channel : channel + 1])
        np.testing.assert_array_equal(stereo[:, channel], alone[:, 0])
        np.testing.assert_array_equal(report.speech[:, channel], alone_report.speech[:, 0])
    assert len(sessions) == 0


@pytest.mark.parametrize(("file", "fall", "rise"), [(PUBLISHED[0], 12, 2), (PUBLISHED[1], 3, 0.5)])
def test_a_published_model_takes_noise_out_and_leaves_the_voice(rng, shared: Path, file, fall, rise) -> None:
    like = voice(8)
    noisy = like.samples + rumble(rng, like, 10)
    sessions = Sessions(load_model(shared / "models" / file, compile=False), capacity=1)
    clean = rnnoise.denoise(sessions, noisy[:, None])[0][:, 0]
    assert level(noisy[like.pauses]) - level(clean[like.pauses]) > fall
    spoken, heard = (lfilter(*rnnoise.HIGH_PASS, samples)[like.speaks] for samples in (like.samples, noisy))
    answered = clean[like.speaks]
    assert abs(level(answered) - level(spoken)) < 2
    loudness = answered @ spoken / (spoken @ spoken)  # a voice that is quieter by the same everywhere is not noisier
    assert level(heard - spoken) - level(answered / loudness - spoken) > rise


def test_a_wav_goes_in_and_a_wav_comes_out(rng, model, tmp_path) -> None:
    like = voice(2)
    model.save(tmp_path / "random.keras")
    noisy = np.stack([like.samples + rumble(rng, like, 10), like.samples], axis=1)
    wavfile.write(tmp_path / "noisy.wav", SECOND, noisy.astype(np.int16))
    words = [sys.executable, str(PROGRAM), "random.keras", "noisy.wav", "clean.wav"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "201 frames of 10 ms" in done.stdout and "times real time" in done.stdout and "longest frame" in done.stdout
    rate, clean = wavfile.read(tmp_path / "clean.wav")
    expected, _ = rnnoise.denoise(Sessions(model, capacity=2), noisy.astype(np.int16))
    assert rate == SECOND and clean.dtype == np.int16
    np.testing.assert_array_equal(clean, np.clip(np.rint(expected), -32768, 32767))


@pytest.mark.parametrize(("rate", "dtype", "reason"), [(44100, np.int16, "48000"), (48000, np.uint8, "8-bit")])
def test_a_file_that_the_models_do_not_hear_is_refused(tmp_path, rate, dtype, reason) -> None:
    wavfile.write(tmp_path / "a.wav", rate, np.zeros(100, dtype))
    with pytest.raises(SystemExit, match=rf"a\.wav: .*{reason}"):
        rnnoise.read(tmp_path / "a.wav")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("plain.keras", "nothing.wav", "clean.wav"), r"nothing\.wav: .*No such file"),
        (("plain.keras", "text.wav", "clean.wav"), r"text\.wav: is no WAV file"),
        (("plain.keras", "empty.wav", "clean.wav"), r"empty\.wav: has no samples"),
        (("plain.keras", "noisy.wav", "clean.wav"), r"plain\.keras: .*got \[3, 2\]"),
        (("nothing.keras", "noisy.wav", "clean.wav"), r"nothing\.keras: File not found"),
        (("plain.keras", "noisy.wav", "nowhere/clean.wav"), r"there is no folder nowhere"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(tmp_path, monkeypatch, words, reason) -> None:
    monkeypatch.chdir(tmp_path)
    Sequential([Input((None, 3)), Dense(2)]).save("plain.keras")
    Path("text.wav").write_text("no sound")
    wavfile.write("empty.wav", SECOND, np.zeros(0, np.int16))
    wavfile.write("noisy.wav", SECOND, np.zeros(960, np.int16))
    monkeypatch.setattr(sys, "argv", ["rnnoise.py", *words])
    with pytest.raises(SystemExit, match=rf"^[^\n]*{reason}[^\n]*$"):
        rnnoise.main()


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32])
def test_samples_of_all_depths_are_as_loud(tmp_path, dtype) -> None:
    half = np.full((100, 2), 0.5 if dtype == np.float32 else (np.iinfo(dtype).max + 1) // 2, dtype)
    wavfile.write(tmp_path / "a.wav", SECOND, half)
    np.testing.assert_array_equal(rnnoise.read(tmp_path / "a.wav"), np.full((100, 2), 16384))
