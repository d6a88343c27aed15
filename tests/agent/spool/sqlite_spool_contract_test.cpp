#include "agent/spool/sqlite_spool.h"
#include "tests/contract/spool_contract.h"

using namespace joulespool;

TEST_CASE("spool: SQLite keeps the contract of a spool") {
  test::spool_contract({spool::open_spool_writer, spool::open_spool_reader});
}
