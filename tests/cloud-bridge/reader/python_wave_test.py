"""The Python reader of lane wave, codec 2, against what the C++ encoder made of realistic streams."""
import os
import pathlib
import subprocess
import tempfile
import unittest

import numpy as np

import joulespool_wave

TOOLS = os.environ["JOULESPOOL_TEST_TOOLS"]
SAMPLES = 1 << 15


class Profiles(unittest.TestCase):
    def test_every_bit_of_every_stream_comes_back(self):
        with tempfile.TemporaryDirectory() as directory:
            subprocess.run([f"{TOOLS}/write_profile_payloads", directory, str(SAMPLES)], check=True)
            payloads = sorted(pathlib.Path(directory).glob("*.payload"))
            self.assertEqual(len(payloads), 2 * 9 * 2)
            for path in payloads:
                with self.subTest(path.stem):
                    self.compare(joulespool_wave.decode(path.read_bytes(), SAMPLES), path.with_suffix(".samples").read_bytes())

    def compare(self, wave, samples):
        floats = np.frombuffer(samples, dtype="<u4", count=3 * SAMPLES).reshape(3, SAMPLES)
        for name, bits, expected in zip("ivp", (wave.i.bits, wave.v.bits, wave.p_bits), floats):
            np.testing.assert_array_equal(bits, expected, name)
        self.assertEqual([packed.signal for packed in wave.packed], [4])
        np.testing.assert_array_equal(wave.packed[0].elements, np.frombuffer(samples, dtype=np.uint8, offset=12 * SAMPLES))


if __name__ == "__main__":
    unittest.main()
