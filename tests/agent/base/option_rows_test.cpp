#include "agent/base/option_rows.h"

#include <doctest/doctest.h>

using namespace joulespool;

TEST_CASE("option rows: each word makes a row of its type with everything that was said") {
  const OptionRow text = rows::text("a.text", "x", "Text.", rows::check_tcp_uri);
  CHECK(text.key == "a.text");
  CHECK(text.type == OptionType::text);
  CHECK(text.value == OptionValue(std::string("x")));
  CHECK(text.doc == "Text.");
  CHECK(text.check);
  CHECK_FALSE(text.secret);
  CHECK_FALSE(rows::text("a", "", "").check);

  const OptionRow integer = rows::integer("a", "ms", 250, 10, 1000, "Integer.");
  CHECK(integer.type == OptionType::integer);
  CHECK(integer.unit == "ms");
  CHECK(integer.value == OptionValue(int64_t{250}));
  CHECK(integer.min == 10);
  CHECK(integer.max == 1000);
  CHECK(integer.doc == "Integer.");

  const OptionRow number = rows::number("a", "V", 1, -5, 5, "Number.");
  CHECK(number.type == OptionType::number);
  CHECK(number.value == OptionValue(1.0));
  CHECK(number.min == -5);

  const OptionRow boolean = rows::boolean("a", true, "Boolean.");
  CHECK(boolean.type == OptionType::boolean);
  CHECK(boolean.value == OptionValue(true));

  const OptionRow list = rows::list("a", {"x", "y"}, "List.", rows::check_tcp_uri);
  CHECK(list.type == OptionType::list);
  CHECK(list.value == OptionValue(std::vector<std::string>{"x", "y"}));
  CHECK(list.check);

  const OptionRow choice = rows::choice("a", "x", {"x", "y"}, "Choice.");
  CHECK(choice.type == OptionType::choice);
  CHECK(choice.value == OptionValue(std::string("x")));
  CHECK(choice.choices == std::vector<std::string>{"x", "y"});

  const OptionRow secret = rows::secret(rows::text("a", "x", "Secret."));
  CHECK(secret.secret);
  CHECK(secret.value == OptionValue(std::string("x")));
}

TEST_CASE("option rows: the place of a broker is tcp://host:port") {
  for (const std::string uri : {"tcp://127.0.0.1:1883", "tcp://broker.example.org:1", "tcp://[::1]:65535"}) {
    CAPTURE(uri);
    CHECK(rows::check_tcp_uri(uri));
  }
  for (const std::string uri :
       {"", "tcp://", "tcp:", "127.0.0.1:1883", "ssl://host:1883", "tcp://host", "tcp://:1883", "tcp://host:", "tcp://host:0",
        "tcp://host:65536", "tcp://host:99999999999", "tcp://host:-1", "tcp://host:+1", "tcp://host:1883/", "tcp://host: 1883"}) {
    CAPTURE(uri);
    const Status status = rows::check_tcp_uri(uri);
    REQUIRE_FALSE(status);
    CHECK(status.error().code == Errc::usage);
    CHECK(status.error().message == "must be tcp://host:port");
  }
}
