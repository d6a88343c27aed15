// Lane `stat` as codec 1 coded it: sections of columns. Layout: FORMAT-codec1.md.
#pragma once

#include "agent/base/result.h"
#include "agent/wire/types.h"
#include "agent/wire/window.h"

namespace joulespool::codec {

// Section ids of codec 1. Every window has every column.
enum Codec1Column : uint8_t {
  column_first = 64,
  column_length,
  column_count,
  column_valid,
  column_i_sum,
  column_v_sum,
  column_p_sum,
  column_i2_sum,
  column_v2_sum,
  column_i_min,
  column_i_max,
  column_v_min,
  column_v_max,
  column_p_min,
  column_p_max,
};
constexpr size_t codec1_columns = 15;

struct Codec1SumColumn {
  Codec1Column id;
  int128 wire::Window::*member;
};
constexpr Codec1SumColumn codec1_sums[] = {{column_i_sum, &wire::Window::i_sum},
                                           {column_v_sum, &wire::Window::v_sum},
                                           {column_p_sum, &wire::Window::p_sum},
                                           {column_i2_sum, &wire::Window::i2_sum},
                                           {column_v2_sum, &wire::Window::v2_sum}};
struct Codec1ExtremeColumn {
  Codec1Column id;
  float wire::Window::*member;
};
constexpr Codec1ExtremeColumn codec1_extremes[] = {{column_i_min, &wire::Window::i_min}, {column_i_max, &wire::Window::i_max},
                                                   {column_v_min, &wire::Window::v_min}, {column_v_max, &wire::Window::v_max},
                                                   {column_p_min, &wire::Window::p_min}, {column_p_max, &wire::Window::p_max}};

// Errors: damaged (with the column and the reason).
Result<std::vector<wire::Window>> decode_windows_codec1(wire::ByteView payload, uint64_t sample_id_first);

}  // namespace joulespool::codec
