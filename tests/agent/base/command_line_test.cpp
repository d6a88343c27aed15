#include "agent/base/command_line.h"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <CLI/CLI.hpp>
#include <sstream>
#include <stdexcept>
#include <vector>

#include "agent/base/version.h"

using namespace joulespool;

namespace {

Action add_greet(CLI::App& app, const Surroundings& surroundings) {
  const auto name = std::make_shared<std::string>("nobody");
  app.add_option("--name", *name, "Who");
  return [name, &surroundings]() -> Result<ExitCode> {
    surroundings.out << "hello " << *name << '\n';
    return exit_ok;
  };
}

Action add_ask(CLI::App&, const Surroundings& surroundings) {
  return [&surroundings]() -> Result<ExitCode> { return surroundings.environment.contains("YES") ? exit_ok : exit_no; };
}

Action add_fail(CLI::App&, const Surroundings&) {
  return []() -> Result<ExitCode> { return Error{Errc::unreachable, "first\nsecond"}; };
}

Action add_throw(CLI::App&, const Surroundings&) {
  return []() -> Result<ExitCode> { throw std::runtime_error("thrown"); };
}

constexpr Command commands[] = {
    {"", "greet", "Says hello", add_greet},
    {"talk", "ask", "Asks", add_ask},
    {"", "throw", "Throws", add_throw},
    {"talk", "fail", "Fails", add_fail},
    {"", "inner", "For the program itself", add_ask, true},
};
constexpr CommandGroup groups[] = {{"talk", "A group of two"}};
constexpr Program program = {"test-program", "A program for tests", commands, groups};

struct Answer {
  int exit_code = -1;
  std::string out, err;
};

Answer run(std::vector<const char*> arguments, std::map<std::string, std::string> environment = {}, bool out_broken = false) {
  arguments.insert(arguments.begin(), "/usr/bin/called-otherwise");
  std::ostringstream out, err;
  if (out_broken) out.setstate(std::ios::badbit);
  SystemClock clock;
  const Surroundings surroundings{std::move(environment), out, err, clock};
  const int exit_code = run_command_line(program, static_cast<int>(arguments.size()), arguments.data(), surroundings);
  return {exit_code, out.str(), err.str()};
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("command line of a program: the command's flags are parsed and its exit code is that of the process") {
  const Answer greeted = run({"greet", "--name", "you"});
  CHECK(greeted.exit_code == exit_ok);
  CHECK(greeted.out == "hello you\n");
  CHECK(greeted.err.empty());
  CHECK(run({"greet"}).out == "hello nobody\n");
  CHECK(run({"talk", "ask"}).exit_code == exit_no);
  CHECK(run({"talk", "ask"}, {{"YES", ""}}).exit_code == exit_ok);
}

TEST_CASE("command line of a program: help and version name the program, its commands and groups") {
  const Answer help = run({"--help"});
  CHECK(help.exit_code == exit_ok);
  CHECK(help.err.empty());
  for (const char* part : {"A program for tests", "test-program", "greet", "Says hello", "talk", "A group of two"})
    CHECK_MESSAGE(contains(help.out, part), part);
  CHECK_FALSE(contains(help.out, "Asks"));
  const Answer group = run({"talk", "--help"});
  for (const char* part : {"ask", "Asks", "fail", "Fails"}) CHECK_MESSAGE(contains(group.out, part), part);
  CHECK(run({"--version"}).out == "test-program " + std::string(version()) + "\n");
}

TEST_CASE("command line of a program: a hidden command is not listed, but runs and explains itself") {
  CHECK_FALSE(contains(run({"--help"}).out, "inner"));
  CHECK(run({"inner"}).exit_code == exit_no);
  CHECK(contains(run({"inner", "--help"}).out, "For the program itself"));
}

TEST_CASE("command line of a program: wrong usage is exit code 2 and runs nothing") {
  for (const std::vector<const char*>& arguments :
       {std::vector<const char*>{}, {"dance"}, {"talk"}, {"ask"}, {"greet", "--age", "7"}, {"greet", "--name"}}) {
    const Answer answer = run(arguments);
    CHECK(answer.exit_code == exit_usage);
    CHECK(answer.out.empty());
    CHECK(answer.err.starts_with("test-program: "));
    CHECK(answer.err.ends_with(" (see --help)\n"));
  }
}

TEST_CASE("command line of a program: every line of an error begins with the program's name") {
  const Answer answer = run({"talk", "fail"});
  CHECK(answer.exit_code == exit_unreachable);
  CHECK(answer.err == "test-program: first\ntest-program: second\n");
}

TEST_CASE("command line of a program: an exception is an internal error") {
  const Answer answer = run({"throw"});
  CHECK(answer.exit_code == exit_internal);
  CHECK(answer.err == "test-program: internal error: thrown\n");
}

TEST_CASE("command line of a program: an answer that cannot be written is an error") {
  const Answer answer = run({"greet"}, {}, true);
  CHECK(answer.exit_code == exit_unreachable);
  CHECK(answer.err == "test-program: standard output: cannot be written\n");
}

TEST_CASE("command line of a program: the environment is that of the process, values with '=' whole") {
  REQUIRE(setenv("JOULESPOOL_TEST_VARIABLE", "a=b", 1) == 0);
  CHECK(read_environment().at("JOULESPOOL_TEST_VARIABLE") == "a=b");
  REQUIRE(unsetenv("JOULESPOOL_TEST_VARIABLE") == 0);
  CHECK_FALSE(read_environment().contains("JOULESPOOL_TEST_VARIABLE"));
}
