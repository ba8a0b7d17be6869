"""RNNoise's Keras model takes the noise out of a recording, 10 ms after 10 ms, as it would from a microphone.

    python rnnoise.py weights.hdf5 noisy.wav clean.wav

The method is that of J.-M. Valin, "A Hybrid DSP/Deep Learning Approach to Real-Time Full-Band Speech Enhancement"
(2018, arXiv:1709.08243): of each frame the model gets 42 numbers, and answers with a gain for each of 22 bands and with
the probability that somebody speaks. Formulas that say (n) are those of the paper. Constants that it leaves open, and
that a trained model depends on, are those of RNNoise 0.1 (BSD licence), with which the published models were trained:
the bands' edges, what is subtracted from features, floors under energies and their logarithms, the high-pass filter,
and samples between -32768 and 32767.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct, irfft, rfft
from scipy.io import wavfile
from scipy.signal import lfilter

from fastgru.models import load_model
from fastgru.streaming import Sessions

Real = NDArray[np.float32]
Complex = NDArray[np.complex64]

RATE, FRAME = 48_000, 480  # a frame is 10 ms; a window is two of them, so a bin of its spectrum is 50 Hz wide
BINS = FRAME + 1
# Opus's bands: 200 Hz wide at the bottom, then as the Bark scale; each is a triangle that peaks at its edge
EDGES = 4 * np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 34, 40, 48, 60, 78, 100])
BANDS = len(EDGES)
DELTAS = 6  # of so many cepstral coefficients differences in time are taken
HISTORY = 8  # frames whose cepstra are compared
SHORTEST, LONGEST = 60, 768  # periods of the pitch, in samples: 800 Hz and 62.5 Hz
OFFSETS = {0: 12, 1: 4, 34: 1.3, 35: 0.9, 41: 2.1}  # what is subtracted from features, which brings their means near 0
SILENT = 0.04  # the energy below which a frame goes past the model, whose states it would disturb
HIGH_PASS = ([1, -2, 1], [1, -1.99599, 0.99600])  # takes out what is not heard, such as a microphone's constant

# the window of Vorbis (1): its square and that of its neighbour sum to 1, which is what adding them up again needs
WINDOW = np.sin(np.pi / 2 * np.sin(np.pi * (np.arange(2 * FRAME) + 0.5) / (2 * FRAME)) ** 2).astype(np.float32)
TRIANGLES = np.stack([np.interp(np.arange(BINS), EDGES, peak) for peak in np.eye(BANDS)]).astype(np.float32)
TRIANGLES[:, EDGES[-1] :] = 0  # nothing above 20 kHz is heard
SUMS = TRIANGLES.T * np.where(np.isin(np.arange(BANDS), (0, BANDS - 1)), 2, 1).astype(np.float32)  # half a triangle: 2
DCT = dct(np.eye(BANDS, dtype=np.float32), norm="ortho")


class Frame(NamedTuple):
    """A window of sound, and what is known of it."""

    spectrum: Complex  # (481,)
    pitch_spectrum: Complex  # of the window one period earlier
    energy: Real  # (22,): of each band
    pitch_energy: Real
    correlation: Real  # (22,): of the two spectra, (5)
    features: Real  # (42,): what the model reads
    silent: bool


def bands(spectrum: Complex, other: Complex) -> Real:
    """E(b) = sum_k w_b(k) Re(X(k) Y*(k)), (2) and (5)."""
    return (spectrum.real * other.real + spectrum.imag * other.imag) @ SUMS


def transform(samples: Real) -> Complex:
    return rfft(samples * WINDOW, norm="forward")


def log_energies(energy: Real) -> Real:
    """log10(E), but at most 1.5 below the band to its left and 7 below the largest of them: who is louder masks it."""
    logs = np.concatenate([[-2], np.log10(0.01 + energy)])
    slope = 1.5 * np.arange(BANDS + 1)
    falling = np.maximum.accumulate(logs + slope) - slope
    return np.maximum(falling, np.maximum.accumulate(logs) - 7)[1:]


def flattened(samples: Real) -> Real:
    """Every second sample, its formants levelled by a linear prediction, so that the pitch alone makes peaks."""
    half = samples[1:-1:2] / 2 + (samples[:-2:2] + samples[2::2]) / 4
    lags = np.arange(5)
    r = np.array([half[lag:] @ half[: len(half) - lag] for lag in lags]) * (1 - (0.008 * lags) ** 2)
    r[0] = 1.0001 * r[0] + 1e-9  # a floor of noise 40 dB below, for a solution that is always there
    prediction = np.linalg.solve(r[np.abs(lags[:4, None] - lags[:4])], r[1:])
    whitening = np.concatenate([[1], -prediction * 0.9 ** lags[1:]])
    return np.convolve(half, np.convolve(whitening, [1, 0.8]).astype(np.float32))[: len(half)]


def pitch_period(samples: Real, last: int) -> int:
    """The period of the last 20 ms, in samples of the 1727 handed over; `last` is that of the frame before."""
    x = flattened(samples)
    longest, recent = len(x) - FRAME, x[-FRAME:]
    energy = np.convolve(np.square(x), np.ones(FRAME, np.float32), "valid")[::-1]
    # [lag]: the correlation of the last 20 ms with as many, so many samples earlier
    r = np.correlate(x, recent, "valid")[::-1] / np.sqrt(1 + energy[0] * energy)
    best = SHORTEST * 3 // 2 + int(r[SHORTEST * 3 // 2 : longest].argmax())
    period = best
    for parts in range(2, 2 * best // SHORTEST + 1):  # a whole part of a period repeats itself at each of its multiples
        multiples = np.rint(best / parts * np.arange(1, parts)).astype(int)
        known = abs(2 * multiples[0] - last) <= 2
        if r[multiples].mean() > (0.7 if known else 0.95) * r[best]:
            period = int(multiples[0])
    before, there, after = r[period - 1 : period + 2] if period < longest else (0, 0, 0)
    bend = 2 * there - before - after  # a parabola through the three has its top between two of all samples
    between = round((after - before) / bend) if bend > 0 else 0
    return max(SHORTEST, 2 * period + min(1, max(-1, between)))


class Analysis:
    """What is heard on one channel: frames become spectra and features."""

    def __init__(self) -> None:
        self._filter = np.zeros(2)
        self._heard = np.zeros(LONGEST + 2 * FRAME, np.float32)
        self._cepstra = np.zeros((HISTORY, BANDS), np.float32)  # the newest is the first
        self._period = SHORTEST

    def frame(self, samples: Real) -> Frame:
        """Hear 480 samples; what is known of the window that they end."""
        filtered, self._filter = lfilter(*HIGH_PASS, samples, zi=self._filter)
        self._heard = np.concatenate([self._heard[FRAME:], filtered.astype(np.float32)])
        period = self._period = pitch_period(self._heard[1:], self._period)
        window = self._heard[LONGEST:]
        spectrum, pitch_spectrum = transform(window), transform(self._heard[LONGEST - period : -period])
        energy, pitch_energy = bands(spectrum, spectrum), bands(pitch_spectrum, pitch_spectrum)
        correlation = bands(spectrum, pitch_spectrum) / np.sqrt(0.001 + energy * pitch_energy)
        silent = bool(energy.sum() < SILENT)
        features = np.zeros(42, np.float32) if silent else self._features(energy, correlation, period)
        return Frame(spectrum, pitch_spectrum, energy, pitch_energy, correlation, features, silent)

    def _features(self, energy: Real, correlation: Real, period: int) -> Real:
        self._cepstra = np.roll(self._cepstra, 1, axis=0)
        self._cepstra[0] = log_energies(energy) @ DCT
        self._cepstra[0, :2] -= OFFSETS[0], OFFSETS[1]
        now, before, earlier = self._cepstra[:3]
        squares = np.square(self._cepstra[:, None] - self._cepstra).sum(axis=-1)
        np.fill_diagonal(squares, np.inf)
        features = np.concatenate(
            [
                (now + before + earlier)[:DELTAS],
                now[DELTAS:],
                (now - earlier)[:DELTAS],
                (now - 2 * before + earlier)[:DELTAS],
                correlation @ DCT[:, :DELTAS],
                [0.01 * (period - 300)],
                [squares.min(axis=0).mean()],  # how far each cepstrum is from its nearest: small in a steady noise
            ]
        ).astype(np.float32)
        features[[34, 35, 41]] -= OFFSETS[34], OFFSETS[35], OFFSETS[41]
        return features


class Synthesis:
    """What is let through on one channel: gains become samples."""

    def __init__(self) -> None:
        self._gains = np.zeros(BANDS, np.float32)
        self._tail = np.zeros(FRAME, np.float32)

    def frame(self, frame: Frame, gains: Real) -> Real:
        """The 480 samples before those that the frame ended with."""
        spectrum = frame.spectrum
        if not frame.silent:
            spectrum = combed(frame, gains)
            # an echo is not cut off: a gain falls to 0.6 of what it was before at most, 60 dB in 135 ms
            self._gains = np.maximum(gains, 0.6 * self._gains)
            spectrum = spectrum * (self._gains @ TRIANGLES)
        samples = irfft(spectrum, norm="forward") * WINDOW
        done, self._tail = samples[:FRAME] + self._tail, samples[FRAME:]
        return done


def combed(frame: Frame, gains: Real) -> Complex:
    """The spectrum with that of one period earlier added, which fills in between harmonics less, (6) to (9)."""
    p, g = np.square(np.clip(frame.correlation, 0, 1)), np.square(gains)
    share = np.sqrt(np.clip(p * (1 - g) / (0.001 + g * (1 - p)), 0, 1))
    share = np.where(frame.correlation > gains, 1, share) * np.sqrt(frame.energy / (1e-8 + frame.pitch_energy))
    spectrum = frame.spectrum + (share @ TRIANGLES) * frame.pitch_spectrum
    return spectrum * (np.sqrt(frame.energy / (1e-8 + bands(spectrum, spectrum))) @ TRIANGLES)


class Report(NamedTuple):
    """Of a recording: the probability of speech (frames, channels), and the seconds of each part (frames, 3)."""

    speech: Real
    seconds: NDArray[np.float64]


def denoise(sessions: Sessions, noisy: Real) -> tuple[Real, Report]:
    """Take the noise out of samples (n, channels), frame by frame; each channel is a session of the model.

    Returns
    -------
    clean : array
        As long as what came, and not later: the frame of delay that windows have is taken off.
    report : Report
    """
    length, channels = noisy.shape
    frames = -(-length // FRAME) + 1  # one more than there are: the last half of the last window comes out of it
    padded = np.zeros((frames * FRAME, channels), np.float32)
    padded[:length] = noisy
    ids = np.array([sessions.open() for _ in range(channels)])
    analyses, syntheses = [Analysis() for _ in ids], [Synthesis() for _ in ids]
    clean, speech = np.empty_like(padded), np.zeros((frames, channels), np.float32)
    seconds = np.zeros((frames, 3))
    for t in range(frames):
        here = slice(t * FRAME, (t + 1) * FRAME)
        began = time.perf_counter()
        heard = [analysis.frame(padded[here, channel]) for channel, analysis in enumerate(analyses)]
        features, loud = np.stack([frame.features for frame in heard]), ~np.array([frame.silent for frame in heard])
        analysed = time.perf_counter()
        gains = np.zeros((channels, BANDS), np.float32)
        if loud.any():
            gains[loud], speech[t, loud, None] = sessions.step(ids[loud], features[loud])
        stepped = time.perf_counter()
        for channel, (synthesis, frame) in enumerate(zip(syntheses, heard, strict=True)):
            clean[here, channel] = synthesis.frame(frame, gains[channel])
        seconds[t] = analysed - began, stepped - analysed, time.perf_counter() - stepped
    sessions.close(ids)
    return clean[FRAME : FRAME + length], Report(speech[:-1], seconds)


def read(path: Path) -> Real:
    """The samples (n, channels) of a WAV file, between -32768 and 32767."""
    try:
        rate, samples = wavfile.read(path)
    except (OSError, ValueError) as error:
        raise SystemExit(f"{path}: is no WAV file to be read: {error}") from None
    if not samples.size:
        raise SystemExit(f"{path}: has no samples.")
    if rate != RATE:
        raise SystemExit(f"{path}: RNNoise's models hear 48000 samples a second, the file has {rate}: resample it.")
    if samples.dtype == np.uint8:
        raise SystemExit(f"{path}: 8-bit samples are not read, for their rounding is a noise of its own.")
    scale = 32768 / (np.iinfo(samples.dtype).max + 1 if samples.dtype.kind == "i" else 1)
    return (samples.reshape(len(samples), -1) * scale).astype(np.float32)


def opened(path: Path, channels: int) -> Sessions:
    """Sessions of RNNoise's model, one for each channel."""
    try:
        model = load_model(path, compile=False)  # its losses were RNNoise's own, and nothing is trained here
    except (OSError, ValueError) as error:
        raise SystemExit(str(error)) from None
    sizes = [tensor.shape[-1] for tensor in (*model.inputs, *model.outputs)]
    if sizes != [42, BANDS, 1]:
        raise SystemExit(f"{path}: expected RNNoise's model, of 42 features, 22 gains and a probability, got {sizes}.")
    return Sessions(model, capacity=channels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="RNNoise's model as Keras saved it, such as weights.hdf5")
    parser.add_argument("noisy", type=Path, help="a WAV file of 48 kHz")
    parser.add_argument("clean", type=Path, help="the WAV file to write, of 16 bits")
    arguments = parser.parse_args()
    if not arguments.clean.parent.is_dir():
        raise SystemExit(f"{arguments.clean}: there is no folder {arguments.clean.parent} to write to.")
    noisy = read(arguments.noisy)
    clean, report = denoise(opened(arguments.model, noisy.shape[1]), noisy)
    wavfile.write(arguments.clean, RATE, np.clip(np.rint(clean), -32768, 32767).astype(np.int16))
    whole, frames = report.seconds.sum(axis=1), len(report.seconds)
    print(f"{frames} frames of 10 ms in {whole.sum():.2f} s: {0.01 * frames / whole.sum():.0f} times real time")
    print(f"the longest frame took {whole.max() * 1e3:.2f} ms; somebody speaks in {(report.speech > 0.5).mean():.0%}")
    parts = zip(("features", "model", "synthesis"), np.median(report.seconds, axis=0) * 1e6, strict=True)
    print("a frame, median: " + ", ".join(f"{name} {part:.0f} us" for name, part in parts))


if __name__ == "__main__":
    main()
