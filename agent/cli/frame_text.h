// A frame in words and in JSON: header, sections, events.
#pragma once

#include <iosfwd>
#include <nlohmann/json_fwd.hpp>

#include "agent/spool/spool.h"
#include "agent/wire/frame.h"

namespace joulespool::cli {

// Everything the header says, and what the spool knows beside it.
void print_header(const wire::FrameHeader& header, const spool::FrameInfo& info, std::ostream& out);
// What is inside: the sections or columns of a payload of lane stat or wave, the events of lane event.
void print_payload(const wire::Frame& frame, std::ostream& out);

nlohmann::json header_json(const wire::FrameHeader& header, const spool::FrameInfo& info);
nlohmann::json payload_json(const wire::Frame& frame);

}  // namespace joulespool::cli
