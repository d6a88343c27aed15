PRAGMA application_id = 1246974028;  -- "JSPL"
PRAGMA user_version = 1;

-- Whose spool this is. `epoch` is random and not 0; unsigned 64-bit numbers are stored as the signed ones with the same bits.
CREATE TABLE meta (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  host TEXT NOT NULL,
  epoch INTEGER NOT NULL
) STRICT;

-- One row per sequence of frames, kept for ever, so that a seq is never used twice. The totals say what is in `frames`;
-- *_seq_first is the oldest frame of that state, 0 if there is none.
CREATE TABLE streams (
  id INTEGER PRIMARY KEY,
  device TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  lane INTEGER NOT NULL,
  next_seq INTEGER NOT NULL,
  queued_frames INTEGER NOT NULL,
  queued_bytes INTEGER NOT NULL,
  queued_seq_first INTEGER NOT NULL,
  kept_frames INTEGER NOT NULL,
  kept_bytes INTEGER NOT NULL,
  kept_seq_first INTEGER NOT NULL,
  UNIQUE (device, epoch, lane)
) STRICT;

-- key = streams.id << 40 | seq: the frames of a sequence lie together, in order. `bytes` is the last column, so that
-- everything else is read without touching the pages of the bytes. state: 0 queued, 1 kept. crc32c: of `bytes`.
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
  samples_lost INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
