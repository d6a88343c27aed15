#include "agent/base/option_table.h"

#include <doctest/doctest.h>

using namespace joulespool;

namespace {

OptionRow row(std::string key, OptionType type, OptionValue value, std::string unit = "", double min = 0, double max = 0) {
  OptionRow made;
  made.key = std::move(key);
  made.type = type;
  made.value = std::move(value);
  made.unit = std::move(unit);
  made.min = min;
  made.max = max;
  made.doc = "What it means.";
  return made;
}

OptionTable table() {
  OptionTable rows = {
      row("host", OptionType::text, std::string("lab")),
      row("spool.budget-bytes", OptionType::integer, int64_t{1048576}, "bytes", 1048576, 1099511627776),
      row("spool.commit-window-ms", OptionType::integer, int64_t{250}, "ms", 10, 10000),
      row("alive-s", OptionType::integer, int64_t{20}, "s", 1, 3600),
      row("gain", OptionType::number, 1.5, "", -10, 10),
      row("length-s", OptionType::number, 0.0, "s", 0, 100),
      row("any", OptionType::integer, int64_t{0}),
      row("fast", OptionType::boolean, false),
      row("mode", OptionType::choice, std::string("off")),
      row("labels", OptionType::list, std::vector<std::string>()),
      row("password", OptionType::text, std::string()),
  };
  rows[8].choices = {"off", "keep", "upload"};
  rows[10].secret = true;
  rows[10].check = [](const OptionValue& value) -> Status {
    if (std::get<std::string>(value) == "1234") return Error{Errc::usage, "must be a better one"};
    return {};
  };
  return rows;
}

OptionSources file(std::string text) {
  OptionSources sources;
  sources.file_name = "a.toml";
  sources.file_text = std::move(text);
  return sources;
}

OptionSources flags(std::vector<std::pair<std::string, std::string>> given) {
  OptionSources sources;
  sources.flags = std::move(given);
  return sources;
}

OptionSources environment(std::map<std::string, std::string> variables) {
  OptionSources sources;
  sources.environment = std::move(variables);
  return sources;
}

std::string problems(const OptionSources& sources) {
  const auto options = resolve_options(table(), sources);
  if (options) return "";
  CHECK(options.error().code == Errc::usage);
  return options.error().message;
}

Options resolved(const OptionSources& sources) {
  const auto options = resolve_options(table(), sources);
  REQUIRE_MESSAGE(options.ok(), (options.ok() ? "" : options.error().message));
  return *options;
}

}  // namespace

TEST_CASE("options: without any source, every row has its default") {
  const Options options = resolved({});
  for (const OptionRow& row : table()) {
    CHECK(options.at(row.key).value == row.value);
    CHECK(options.at(row.key).origin == "default");
  }
}

TEST_CASE("options: a file sets every type, with tables, dotted keys and inline tables alike, and says its line") {
  const Options options =
      resolved(file("host = \"h1\"\nfast = true\ngain = 2\nmode = \"keep\"\nlabels = [\"a=1\",\n  \"b=2\"]\n"
                    "[spool]\nbudget-bytes = 2_000_000\ncommit-window-ms = 500\n"));
  CHECK(options.text("host") == "h1");
  CHECK(options.boolean("fast"));
  CHECK(options.number("gain") == 2.0);
  CHECK(options.text("mode") == "keep");
  CHECK(options.list("labels") == std::vector<std::string>{"a=1", "b=2"});
  CHECK(options.integer("spool.budget-bytes") == 2000000);
  CHECK(options.integer("spool.commit-window-ms") == 500);
  CHECK(options.at("spool.commit-window-ms").origin == "a.toml:9");
  CHECK(resolved(file("spool.commit-window-ms = 77")).integer("spool.commit-window-ms") == 77);
  CHECK(resolved(file("spool = {commit-window-ms = 78}")).integer("spool.commit-window-ms") == 78);
  CHECK(resolved(file("\"spool\".\"commit-window-ms\" = 79")).integer("spool.commit-window-ms") == 79);
  CHECK(resolved(file("[spool]\n")).integer("spool.commit-window-ms") == 250);
}

TEST_CASE("options: the order of importance is default, file, environment, flag") {
  OptionSources sources = file("[spool]\ncommit-window-ms = 100\n");
  CHECK(resolved(sources).at("spool.commit-window-ms").origin == "a.toml:2");
  sources.environment["JOULESPOOL_SPOOL_COMMIT_WINDOW_MS"] = "200";
  CHECK(resolved(sources).integer("spool.commit-window-ms") == 200);
  CHECK(resolved(sources).at("spool.commit-window-ms").origin == "environment JOULESPOOL_SPOOL_COMMIT_WINDOW_MS");
  sources.flags = {{"spool.commit-window-ms", "300"}};
  CHECK(resolved(sources).integer("spool.commit-window-ms") == 300);
  CHECK(resolved(sources).at("spool.commit-window-ms").origin == "flag --spool.commit-window-ms");
}

TEST_CASE("options: a value out of range is told with file, line, value and what is allowed") {
  CHECK(problems(file("\n\n[spool]\nbudget-bytes = -5\n")) ==
        "a.toml:4: spool.budget-bytes = -5: must be 1048576..1099511627776 bytes");
  CHECK(problems(flags({{"gain", "10.5"}})) == "flag --gain: gain = \"10.5\": must be -10..10");
  CHECK(problems(environment({{"JOULESPOOL_GAIN", "-11"}})) == "environment JOULESPOOL_GAIN: gain = \"-11\": must be -10..10");
}

TEST_CASE("options: a wrong type in the file is told with file and line") {
  const std::pair<std::string, std::string> cases[] = {
      {"spool.budget-bytes = 2000000.5",
       "a.toml:1: spool.budget-bytes = 2000000.5: must be a whole number, 1048576..1099511627776 bytes"},
      {"spool.budget-bytes = \"2000000\"",
       "a.toml:1: spool.budget-bytes = \"2000000\": must be a whole number, 1048576..1099511627776 bytes"},
      {"any = true", "a.toml:1: any = true: must be a whole number"},
      {"any = 2026-01-02", "a.toml:1: any = a date: must be a whole number"},
      {"gain = \"1\"", "a.toml:1: gain = \"1\": must be a number, -10..10"},
      {"fast = 1", "a.toml:1: fast = 1: must be true or false"},
      {"fast = \"true\"", "a.toml:1: fast = \"true\": must be true or false"},
      {"host = 5", "a.toml:1: host = 5: must be a text"},
      {"mode = \"on\"", "a.toml:1: mode = \"on\": must be off, keep or upload"},
      {"labels = \"a\"", "a.toml:1: labels = \"a\": must be a list of texts"},
      {"labels = [\"a\", 1]", "a.toml:1: labels = a list of other things than texts: must be a list of texts"},
  };
  for (const auto& [text, message] : cases) CHECK(problems(file(text)) == message);
}

TEST_CASE("options: an unknown key is an error with the nearest known key") {
  CHECK(problems(file("[spool]\nbudget-byte = 1")) ==
        "a.toml:2: unknown key \"spool.budget-byte\"; did you mean 'spool.budget-bytes'?");
  CHECK(problems(file("commit-window-ms = 1")) ==
        "a.toml:1: unknown key \"commit-window-ms\"; did you mean 'spool.commit-window-ms'?");
  CHECK(problems(file("[something]\nelse = 1")) == "a.toml:2: unknown key \"something.else\"");
  CHECK(problems(file("[something]\n")) == "a.toml:1: unknown key \"something\"");
  CHECK(problems(file("host.name = \"x\"")) == "a.toml:1: unknown key \"host.name\"");
  CHECK(problems(file("[[spool]]\nx = 1")) == "a.toml:1: unknown key \"spool\"");
  CHECK(problems(flags({{"hots", "x"}})) == "flag --hots: unknown key \"hots\"; did you mean 'host'?");
}

TEST_CASE("options: unknown variables with the prefix are errors, unless they belong to somebody else") {
  CHECK(problems(environment({{"JOULESPOOL_HOTS", "x"}})) ==
        "environment \"JOULESPOOL_HOTS\": unknown variable; did you mean 'JOULESPOOL_HOST'?");
  OptionSources sources =
      environment({{"JOULESPOOL_BRIDGE_X", "1"}, {"JOULESPOOL_CONFIG", "f"}, {"PATH", "/bin"}, {"JOULES", "1"}});
  sources.environment_ignored = {"JOULESPOOL_BRIDGE_*", "JOULESPOOL_CONFIG"};
  CHECK(problems(sources).empty());
  sources.environment["JOULESPOOL_CONFIGS"] = "";
  CHECK(problems(sources) == "environment \"JOULESPOOL_CONFIGS\": unknown variable");
}

TEST_CASE("options: all problems of all sources are told at once, the file's in the order of its lines") {
  OptionSources sources = file("zzz = 1\nany = \"x\"\n[spool]\nbudget-bytes = 1\n");
  sources.environment["JOULESPOOL_MODE"] = "x";
  sources.flags = {{"fast", "maybe"}};
  CHECK(problems(sources) ==
        "a.toml:1: unknown key \"zzz\"\na.toml:2: any = \"x\": must be a whole number\n"
        "a.toml:4: spool.budget-bytes = 1: must be 1048576..1099511627776 bytes\n"
        "environment JOULESPOOL_MODE: mode = \"x\": must be off, keep or upload\n"
        "flag --fast: fast = \"maybe\": must be true or false");
}

TEST_CASE("options: wrong TOML is told with its line") {
  CHECK(problems(file("host = \"x\"\nany = = 5\n")).starts_with("a.toml:2: "));
  CHECK(problems(file("\n\nhost = \"x\n")).starts_with("a.toml:3: "));
  CHECK(problems(file("host = \"a\"\nhost = \"b\"\n")).starts_with("a.toml:2: "));
  CHECK(problems(file("host = \"\xff\xfe\"")).starts_with("a.toml:1: "));
  CHECK(problems(file(std::string("host = \"\0\"", 10))).starts_with("a.toml:1: "));
  CHECK(problems(file("any = 99999999999999999999")).starts_with("a.toml:1: "));
  CHECK(problems(file(std::string(100000, '['))).starts_with("a.toml:1: "));
}

TEST_CASE("options: a key given in two spellings is set twice") {
  CHECK(problems(file("\"spool.commit-window-ms\" = 100\n[spool]\ncommit-window-ms = 100\n")) ==
        "a.toml:3: spool.commit-window-ms is set twice");
}

TEST_CASE("options: suffixes are those of the unit") {
  const auto bytes = [](const std::string& text) {
    return resolved(flags({{"spool.budget-bytes", text}})).integer("spool.budget-bytes");
  };
  CHECK(bytes("1048576") == 1048576);
  CHECK(bytes("2000k") == 2000000);
  CHECK(bytes("2048KiB") == 2097152);
  CHECK(bytes("8MiB") == 8388608);
  CHECK(bytes(" 3 GiB ") == 3221225472);
  CHECK(bytes("1TiB") == 1099511627776);
  const auto window = [](const std::string& text) {
    return resolved(flags({{"spool.commit-window-ms", text}})).integer("spool.commit-window-ms");
  };
  CHECK(window("250ms") == 250);
  CHECK(window("2s") == 2000);
  CHECK(window("20000us") == 20);
  CHECK(resolved(flags({{"alive-s", "2min"}})).integer("alive-s") == 120);
  CHECK(resolved(flags({{"alive-s", "3000ms"}})).integer("alive-s") == 3);
  CHECK(resolved(flags({{"length-s", "250ms"}})).number("length-s") == 0.25);
  CHECK(resolved(file("[spool]\ncommit-window-ms = \"2s\"\nbudget-bytes = \"8MiB\"")).integer("spool.budget-bytes") == 8388608);
  for (const std::string wrong : {"2 parsecs", "2MiB", "2S", "1.5s", "2s 3", "s", "1h"})
    CHECK(problems(flags({{"spool.commit-window-ms", wrong}})) ==
          "flag --spool.commit-window-ms: spool.commit-window-ms = \"" + wrong + "\": must be 10..10000 ms");
  CHECK(problems(flags({{"alive-s", "1500ms"}})) == "flag --alive-s: alive-s = \"1500ms\": must be 1..3600 s");
  CHECK(problems(flags({{"any", "1k"}})) == "flag --any: any = \"1k\": must be a whole number");
}

TEST_CASE("options: NaN, infinities, overflow and nothing at all are no numbers") {
  for (const std::string wrong : {"nan", "inf", "-inf", "1e400", "", " ", "0x10", "1,5", "+5", "5x"})
    CHECK(problems(flags({{"gain", wrong}})) == "flag --gain: gain = \"" + wrong + "\": must be -10..10");
  CHECK(problems(file("gain = nan")) == "a.toml:1: gain = nan: must be -10..10");
  CHECK(problems(file("gain = inf")) == "a.toml:1: gain = inf: must be -10..10");
  for (const std::string wrong : {"9223372036854775808", "99999999999999999999", "", " ", "1e3", "0x10", "1 2", "--1"})
    CHECK(problems(flags({{"any", wrong}})) == "flag --any: any = \"" + wrong + "\": must be a whole number");
  CHECK(problems(flags({{"spool.budget-bytes", "9000000000000TiB"}})).ends_with("must be 1048576..1099511627776 bytes"));
  CHECK(resolved(flags({{"any", "9223372036854775807"}})).integer("any") == INT64_MAX);
  CHECK(resolved(flags({{"any", "-9223372036854775808"}})).integer("any") == INT64_MIN);
  CHECK(resolved(flags({{"any", "\t 7\n"}})).integer("any") == 7);
}

TEST_CASE("options: lists are split at commas in the environment, and given once for each element as flags") {
  CHECK(resolved(environment({{"JOULESPOOL_LABELS", "a=1, b=2"}})).list("labels") == std::vector<std::string>{"a=1", "b=2"});
  CHECK(resolved(environment({{"JOULESPOOL_LABELS", ""}})).list("labels").empty());
  OptionSources sources = flags({{"labels", "a=1,5"}, {"labels", "b=2"}});
  sources.file_name = "a.toml";
  sources.file_text = "labels = [\"c=3\"]";
  CHECK(resolved(sources).list("labels") == std::vector<std::string>{"a=1,5", "b=2"});
}

TEST_CASE("options: a secret is never in a message, and a row's own rule is asked") {
  CHECK(problems(file("password = 1234567")) == "a.toml:1: password = ***: must be a text");
  CHECK(problems(flags({{"password", "1234"}})) == "flag --password: password = ***: must be a better one");
}

TEST_CASE("options: foreign text in messages has no control characters and is cut") {
  CHECK(problems(flags({{"any", "\x1b[31m\n"}})) == "flag --any: any = \"?[31m?\": must be a whole number");
  CHECK(problems(flags({{"any", std::string(1000, 'x')}})) ==
        "flag --any: any = \"" + std::string(80, 'x') + "...\": must be a whole number");
}

TEST_CASE("options: each table of an array is resolved by itself, with lines") {
  OptionSources sources = file("[[unit]]\nhost = \"a\"\n[[unit]]\nany = 5\n[spool]\ncommit-window-ms = 11\n");
  sources.tables_ignored = {"unit"};
  CHECK(resolved(sources).integer("spool.commit-window-ms") == 11);
  const auto units = resolve_table_array(table(), "unit", sources);
  REQUIRE(units.ok());
  REQUIRE(units->size() == 2);
  CHECK((*units)[0].text("host") == "a");
  CHECK((*units)[0].origin() == "a.toml:1");
  CHECK((*units)[1].at("any").origin == "a.toml:4");
  CHECK((*units)[1].text("host") == "lab");
  CHECK(resolve_table_array(table(), "none", sources)->empty());

  sources.file_text = "[[unit]]\nhots = \"a\"\n[[unit]]\nany = \"x\"\n";
  const auto wrong = resolve_table_array(table(), "unit", sources);
  REQUIRE(!wrong.ok());
  CHECK(wrong.error().message ==
        "a.toml:2: unknown key \"hots\"; did you mean 'host'?\na.toml:4: any = \"x\": must be a whole number");
}

TEST_CASE("options: a plain table where an array of tables must be is an error") {
  OptionSources sources = file("[unit]\nhost = \"a\"\n");
  sources.tables_ignored = {"unit"};
  CHECK(problems(sources) == "a.toml:2: unit must be tables of the form [[unit]]");
  sources.file_text = "unit = []";
  CHECK(problems(sources).empty());
  CHECK(resolve_table_array(table(), "unit", sources)->empty());
  sources.file_text = "unit = 5";
  CHECK(problems(sources) == "a.toml:1: unit must be tables of the form [[unit]]");
}

TEST_CASE("options: an inline table is a list of key=value; a boolean may stand alone") {
  const auto options = resolve_inline(table(), "host=a=b,fast,any=7,labels=x;y", "flag --unit");
  REQUIRE(options.ok());
  CHECK(options->text("host") == "a=b");
  CHECK(options->boolean("fast"));
  CHECK(options->integer("any") == 7);
  CHECK(options->list("labels") == std::vector<std::string>{"x", "y"});
  CHECK(options->origin() == "flag --unit");
  CHECK(resolve_inline(table(), "", "flag --unit").ok());
  const std::pair<std::string, std::string> cases[] = {
      {"hots=a", "flag --unit: unknown key \"hots\"; did you mean 'host'?"},
      {"host", "flag --unit: host needs a value: host=..."},
      {"any=1,any=2", "flag --unit: any is set twice"},
      {"any=1,", "flag --unit: unknown key \"\""},
      {"any=x,mode=y",
       "flag --unit: any = \"x\": must be a whole number\nflag --unit: mode = \"y\": must be off, keep or upload"},
  };
  for (const auto& [text, message] : cases) {
    const auto wrong = resolve_inline(table(), text, "flag --unit");
    REQUIRE(!wrong.ok());
    CHECK(wrong.error().message == message);
  }
}

TEST_CASE("options: names of the environment") {
  CHECK(environment_name("JOULESPOOL_", "spool.commit-window-ms") == "JOULESPOOL_SPOOL_COMMIT_WINDOW_MS");
  CHECK(environment_name("X_", "host") == "X_HOST");
}

TEST_CASE("options: values as text read back as the same value") {
  CHECK(option_to_text(true) == "true");
  CHECK(option_to_text(int64_t{-5}) == "-5");
  CHECK(option_to_text(0.1) == "0.1");
  CHECK(option_to_text(1e9) == "1000000000");
  CHECK(option_to_text(std::string("x y")) == "x y");
  CHECK(option_to_text(std::vector<std::string>{"a", "b"}) == "a,b");
}

TEST_CASE("options: the reference has a section for each table and every key with its facts") {
  const std::string text = option_reference(table(), "JOULESPOOL_");
  CHECK(text.find("## spool\n") != std::string::npos);
  CHECK(text.find("| `spool.commit-window-ms` | 10..10000 ms | `250` ms | restart | What it means. "
                  "`JOULESPOOL_SPOOL_COMMIT_WINDOW_MS` |\n") != std::string::npos);
  CHECK(text.find("| `mode` | off, keep or upload | `off` | restart | What it means. `JOULESPOOL_MODE` |\n") !=
        std::string::npos);
  CHECK(text.find("Secret: never shown.") != std::string::npos);
  CHECK(text.find("| `host`") < text.find("## spool"));
  CHECK(option_reference(table(), "").find("JOULESPOOL") == std::string::npos);
}
