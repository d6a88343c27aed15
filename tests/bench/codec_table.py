"""The table of codecs: bits and nanoseconds per sample of (i, v, p), ours beside everybody's, and what was aimed at."""

BITS_AIMED_AT = {
    "js110": {"sleep_ble": 7.0, "cpu": 8.5, "const10mA": 4.4, "const1A": 3.6, "ranges": 6.4, "mean": 5.4},
    "js220": {"sleep_ble": 21.0, "cpu": 34.0, "const10mA": 26.3, "ranges": 28.6, "mean": 26.4},
}
NOISE_OVER_BOUND = 1.01
ZSTD3_RATIO = 2.0  # at least, on each profile but noise_fs
ENCODE_NS = {"baseline": 6.0, "avx2": 5.0}
DECODE_NS = {"baseline": 4.0, "avx2": 2.5}
WINDOWS_NS = 0.4  # per sample and signal, baseline
PATH_PERCENT = 2.5  # of one core, JS110 at 2 MS/s
CUT_LOSS_PERCENT = 3.0
RAW_BITS = 96


def mean(values) -> float:
    values = list(values)
    return sum(values) / len(values)


class Aims:
    """Lines that say whether what was measured is what was aimed at."""

    def __init__(self):
        self.lines = []

    def at_most(self, what: str, value: float, aim: float, unit: str):
        self._add(what, value, aim, unit, "<=", value <= aim)

    def at_least(self, what: str, value: float, aim: float, unit: str):
        self._add(what, value, aim, unit, ">=", value >= aim)

    def _add(self, what, value, aim, unit, sign, met):
        self.lines.append(f"  {'met   ' if met else 'MISSED'} {what:<44}{value:8.2f} {sign} {aim:.2f} {unit} ({(value / aim - 1) * 100:+.1f} %)")


class Model:
    """The measurements of one instrument's model."""

    def __init__(self, measured: dict):
        self.name = measured["model"]
        self.rate_hz = measured["sample_rate_hz"]
        self.profiles = measured["profiles"]
        self.realistic = [profile for profile in self.profiles if profile["realistic"]]

    def codec(self, profile: dict, name: str) -> dict:
        return next(row for row in profile["codecs"] if row["name"] == name)

    def names(self) -> list:
        return [row["name"] for row in self.profiles[0]["codecs"] if "bits" in row]

    def mean_of(self, name: str, key: str) -> float:
        return mean(self.codec(profile, name)[key] for profile in self.realistic)

    def ours(self) -> str:
        """The name of the shipped codec's fastest row."""
        return [name for name in self.names() if name.startswith("codec 2")][-1]

    def ours_with(self, instruction_set: str):
        name = f"codec 2, {instruction_set}"
        return name if name in self.names() else None

    def path(self, profile: dict, instruction_set: str) -> dict:
        return next((row for row in profile["path"] if row["instruction_set"] == instruction_set), None)


def print_model(model: Model):
    columns = "".join(f"{profile['profile']:>11}" for profile in model.profiles)
    print(f"\n{model.name}: bits per (i, v, p), raw {RAW_BITS}; CPU ns per (i, v, p), in brackets as a multiple of memcpy")
    print(f"  {'':<19}{columns}{'mean of 8':>11}{'encode':>17}{'decode':>17}")
    print(f"  {'noise of the ADC':<19}" + "".join(f"{profile['noise_bits']:11.2f}" for profile in model.profiles)
          + f"{mean(profile['noise_bits'] for profile in model.realistic):11.2f}")
    copy_ns = model.mean_of("memcpy", "encode_ns")
    for name in model.names():
        bits = "".join(f"{model.codec(profile, name)['bits']:11.2f}" for profile in model.profiles)
        times = "".join(f"{model.mean_of(name, key):8.2f} {'(' + format(model.mean_of(name, key) / copy_ns, '.1f') + ')':<8}"
                        for key in ("encode_ns", "decode_ns"))
        print(f"  {name:<19}{bits}{model.mean_of(name, 'bits'):11.2f}{times}")
    ours = model.ours()
    first = [model.codec(profile, ours) for profile in model.profiles]
    print(f"  {'first frame only':<19}" + "".join(f"{row['first_bits']:11.2f}" for row in first)
          + f"{model.mean_of(ours, 'first_bits'):11.2f}{model.mean_of(ours, 'first_encode_ns'):8.2f}   a new encoder, nothing known of the instrument")
    print(f"  {'cut to 120 KiB':<19}" + "".join(f"{profile['cut']['bits']:11.2f}" for profile in model.profiles)
          + f"{mean(profile['cut']['bits'] for profile in model.realistic):11.2f}")
    print(f"  {'  loss, %':<19}" + "".join(f"{cut_loss(model, profile):11.2f}" for profile in model.profiles)
          + f"{mean(cut_loss(model, profile) for profile in model.realistic):11.2f}")
    print(f"  {'  samples a frame':<19}" + "".join(f"{profile['cut']['samples']:11.0f}" for profile in model.profiles))


def cut_loss(model: Model, profile: dict) -> float:
    return (profile["cut"]["bits"] / model.codec(profile, model.ours())["bits"] - 1) * 100


def print_path(model: Model):
    print(f"  windows and codec 2 of i, v, p, percent of one core at {model.rate_hz / 1e6:.0f} MS/s:")
    for row in model.profiles[0]["path"]:
        share = path_percent(model, row["instruction_set"])
        windows = mean(model.path(profile, row["instruction_set"])["windows_ns"] for profile in model.realistic)
        print(f"    {row['instruction_set']:<10}{share:6.2f} %   (windows {windows / 3:.2f} ns per sample and signal)")


def path_percent(model: Model, instruction_set: str) -> float:
    return mean(model.path(profile, instruction_set)["windows_and_encode_ns"] for profile in model.realistic) * model.rate_hz / 1e9 * 100


def aims_of(model: Model) -> Aims:
    aims, ours = Aims(), model.ours()
    for name, aim in BITS_AIMED_AT[model.name].items():
        bits = model.mean_of(ours, "bits") if name == "mean" else next(
            model.codec(profile, ours)["bits"] for profile in model.profiles if profile["profile"] == name)
        aims.at_most(f"{model.name} {name}", bits, aim, "bits")
    noise = next(profile for profile in model.profiles if not profile["realistic"])
    aims.at_most(f"{model.name} noise_fs over its bound", model.codec(noise, ours)["bits"] / noise["noise_bits"], NOISE_OVER_BOUND, "times")
    if "zstd -3" in model.names():
        worst = min(model.realistic, key=lambda profile: model.codec(profile, "zstd -3")["bits"] / model.codec(profile, ours)["bits"])
        aims.at_least(f"{model.name} zstd -3 / ours, worst ({worst['profile']})",
                      model.codec(worst, "zstd -3")["bits"] / model.codec(worst, ours)["bits"], ZSTD3_RATIO, "times")
    for what, key, limits in (("encode", "encode_ns", ENCODE_NS), ("decode", "decode_ns", DECODE_NS)):
        for instruction_set, aim in limits.items():
            if name := model.ours_with(instruction_set):
                aims.at_most(f"{model.name} {what}, {instruction_set}", model.mean_of(name, key), aim, "ns")
    aims.at_most(f"{model.name} cut to 120 KiB, mean loss", mean(cut_loss(model, profile) for profile in model.realistic), CUT_LOSS_PERCENT, "%")
    worst = max(model.realistic, key=lambda profile: cut_loss(model, profile))
    aims.at_most(f"{model.name} cut to 120 KiB, worst loss ({worst['profile']})", cut_loss(model, worst), CUT_LOSS_PERCENT, "%")
    windows = mean(model.path(profile, "baseline")["windows_ns"] for profile in model.realistic) / 3
    aims.at_most(f"{model.name} windows, baseline, per signal", windows, WINDOWS_NS, "ns")
    if model.name == "js110":
        for instruction_set in ("baseline", "avx2"):
            if model.path(model.profiles[0], instruction_set):
                aims.at_most(f"{model.name} whole signal path, {instruction_set}", path_percent(model, instruction_set), PATH_PERCENT, "% of a core")
    return aims


def print_recordings(recordings: list):
    print("\nreal recordings: bits per (i, v, p); CPU ns to encode, to decode")
    for recording in recordings:
        print(f"  {recording['recording']}, {recording['samples']} samples")
        for row in recording["codecs"]:
            if "bits" in row:
                print(f"    {row['name']:<19}{row['bits']:8.2f}{row['encode_ns']:9.2f}{row['decode_ns']:9.2f}")


def inexact(measured: dict) -> list:
    """Who did not give back every bit, and of what."""
    places = [(f"{model['model']} {profile['profile']}", profile) for model in measured["models"] for profile in model["profiles"]]
    places += [(recording["recording"], recording) for recording in measured["recordings"]]
    return [f"{row['name']}: {place}" for place, rows in places for row in rows["codecs"] if not row.get("exact", True)]


def print_codec_table(measured: dict) -> bool:
    """False if a codec did not give back what it got."""
    print(f"codecs: frames of {measured['frame_samples']} samples, {measured['seeds']} seeds, one thread; each frame decoded and compared bit for bit")
    print("  shuffle + zstd is Blosc 1's; FLAC gets the integers behind i and v, which it could not find, and p for nothing")
    models = [Model(model) for model in measured["models"]]
    for model in models:
        print_model(model)
        print_path(model)
    print_recordings(measured["recordings"])
    print("\naimed at")
    for model in models:
        print("\n".join(aims_of(model).lines))
    wrong = inexact(measured)
    print(f"  round trips: {'bit for bit, all of them' if not wrong else 'DIFFERENT: ' + '; '.join(wrong)}")
    return not wrong
