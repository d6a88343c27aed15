#include "agent/wire/ack.h"

#include "agent/wire/ack.pb.h"
#include "agent/wire/proto_parts.h"

namespace joulespool::wire {
namespace {

Result<AckEntry> get_entry(const v1::Ack::Entry& proto) {
  if (!is_known(proto.lane())) return Error{Errc::damaged, "ack of an unknown lane"};
  AckEntry entry;
  entry.sequence = {proto.device(), proto.epoch(), static_cast<Lane>(proto.lane())};
  for (const v1::SeqRange& range : proto.stored()) {
    if (range.first() == 0 || range.last() < range.first()) return Error{Errc::damaged, "ack with an impossible range"};
    entry.stored.push_back({range.first(), range.last()});
  }
  for (const v1::Ack::Rejection& rejection : proto.rejected()) {
    if (rejection.seq() == 0) return Error{Errc::damaged, "ack rejects seq 0"};
    entry.rejected.push_back({rejection.seq(), rejection.reason()});
  }
  return entry;
}

}  // namespace

Bytes write_ack(const std::vector<AckEntry>& entries) {
  v1::Ack proto;
  for (const AckEntry& entry : entries) {
    v1::Ack::Entry& added = *proto.add_entries();
    added.set_device(entry.sequence.device);
    added.set_epoch(entry.sequence.epoch);
    added.set_lane(static_cast<v1::Lane>(entry.sequence.lane));
    for (const SeqRange& range : entry.stored) {
      v1::SeqRange& stored = *added.add_stored();
      stored.set_first(range.first);
      stored.set_last(range.last);
    }
    for (const Rejection& rejection : entry.rejected) {
      v1::Ack::Rejection& rejected = *added.add_rejected();
      rejected.set_seq(rejection.seq);
      rejected.set_reason(rejection.reason);
    }
  }
  Bytes bytes(proto.ByteSizeLong());
  proto.SerializeToArray(bytes.data(), static_cast<int>(bytes.size()));
  return bytes;
}

Result<std::vector<AckEntry>> read_ack(ByteView bytes) {
  if (bytes.size() > ack_bytes_max) return Error{Errc::damaged, "ack is larger than its limit"};
  v1::Ack proto;
  if (!proto.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return Error{Errc::damaged, "ack does not parse"};
  std::vector<AckEntry> entries;
  for (const v1::Ack::Entry& added : proto.entries()) {
    auto entry = get_entry(added);
    if (!entry) return entry.error();
    entries.push_back(std::move(*entry));
  }
  return entries;
}

}  // namespace joulespool::wire
