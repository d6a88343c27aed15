PRAGMA application_id = 1246974028;  -- "JSPL"
PRAGMA user_version = 2;

-- A segment of the spool: frames, and behind them what the whole spool holds. Only the newest segment's `streams`, `extents` and
-- `positions` count; each new segment starts with all of theirs. Unsigned 64-bit numbers are stored as the signed ones with the
-- same bits. crc32c of a row: over its other columns, in their order (agent/spool/sqlite_rows.cpp).

-- Whose spool this is, written with every commit. `epoch` is random and not 0. `boot`: of the kernel under which the segment was last
-- written, `closed`: 1 if its writer ended properly. `state_sum` goes over all rows of `streams`, `extents` and `positions`: of a
-- damaged log, one table may be read as it was at another time than the others. `appended_bytes` of frames were stored since
-- `counted_since_utc_ns`, `written_bytes` written for it, by all segments there ever were.
CREATE TABLE meta (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  host TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  segment INTEGER NOT NULL,
  boot TEXT NOT NULL,
  closed INTEGER NOT NULL,
  state_sum INTEGER NOT NULL,
  appended_bytes INTEGER NOT NULL,
  written_bytes INTEGER NOT NULL,
  counted_since_utc_ns INTEGER NOT NULL,
  crc32c INTEGER NOT NULL
) STRICT;

-- One row per sequence of frames: of this epoch for ever, so that a seq is never used twice; of an older one as long as there are
-- frames of it. An id means the same in all segments.
CREATE TABLE streams (
  id INTEGER PRIMARY KEY,
  device TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  lane INTEGER NOT NULL,
  next_seq INTEGER NOT NULL,
  crc32c INTEGER NOT NULL
) STRICT;

-- The frames that are there: [seq_first, seq_last] of a stream lie in `segment`, all in one `state` and on one axis. `state`: 0 queued,
-- 1 kept, plus 2 for each time that windows were merged into longer ones.
-- `bytes`: the sum of their sizes. A frame that no row names has left, whether its segment is still there or not.
CREATE TABLE extents (
  stream INTEGER NOT NULL,
  seq_first INTEGER NOT NULL,
  seq_last INTEGER NOT NULL,
  state INTEGER NOT NULL,
  segment INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  axis INTEGER NOT NULL,
  sample_id_first INTEGER NOT NULL,
  sample_id_end INTEGER NOT NULL,
  utc_first_ns INTEGER NOT NULL,
  utc_end_ns INTEGER NOT NULL,
  crc32c INTEGER NOT NULL,
  PRIMARY KEY (stream, seq_first)
) STRICT, WITHOUT ROWID;

-- key = streams.id << 40 | seq: the frames of a sequence lie together, in order. `bytes` is the last column, so that everything else
-- is read without touching the pages of the bytes.
CREATE TABLE frames (
  key INTEGER PRIMARY KEY,
  state INTEGER NOT NULL,
  axis INTEGER NOT NULL,
  sample_id_first INTEGER NOT NULL,
  sample_id_end INTEGER NOT NULL,
  utc_first_ns INTEGER NOT NULL,
  utc_end_ns INTEGER NOT NULL,
  samples INTEGER NOT NULL,
  size INTEGER NOT NULL,
  crc32c INTEGER NOT NULL,
  bytes BLOB NOT NULL
) STRICT;

-- How far each device has come. 128-bit sums are two columns: the high half is signed, the low half unsigned.
CREATE TABLE positions (
  device TEXT PRIMARY KEY,
  model TEXT NOT NULL,
  serial TEXT NOT NULL,
  axis_life INTEGER NOT NULL,
  counter_rate_hz INTEGER NOT NULL,
  decimation INTEGER NOT NULL,
  sample_id_end INTEGER NOT NULL,
  utc_sample_id INTEGER NOT NULL,
  utc_ns INTEGER NOT NULL,
  utc_counter_rate_hz REAL,
  utc_quality INTEGER NOT NULL,
  samples INTEGER NOT NULL,
  valid INTEGER NOT NULL,
  i_sum_high INTEGER NOT NULL,
  i_sum_low INTEGER NOT NULL,
  p_sum_high INTEGER NOT NULL,
  p_sum_low INTEGER NOT NULL,
  samples_lost INTEGER NOT NULL,
  crc32c INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
