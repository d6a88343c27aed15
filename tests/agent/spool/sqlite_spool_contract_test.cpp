#include "agent/spool/sqlite_spool.h"
#include "tests/contract/spool_contract.h"

using namespace joulespool;

TEST_CASE("spool: SQLite keeps the contract of a spool") {
  test::spool_contract({spool::open_spool_writer, [](const std::string& directory) { return spool::open_spool_reader(directory); }});
}
