// The driver's binary interface, as far as it is used here: libjsdrv 2.0.3 and later of major 2, little-endian, 64 bit.
// Written down from its documentation; a field's place never moves while `version` of the structure is 1.
#pragma once

#include <cstddef>
#include <cstdint>

namespace joulespool::device::abi {

// Values of topics.
enum class ValueType : uint8_t {
  null = 0,
  text = 1,
  json = 2,
  binary = 3,
  f32 = 5,
  f64 = 6,
  u8 = 7,
  u16 = 8,
  u32 = 9,
  u64 = 10,
  i8 = 11,
  i16 = 12,
  i32 = 13,
  i64 = 14
};
enum class Payload : uint8_t { value = 0, stream = 1, statistics = 2 };

struct Value {
  ValueType type = ValueType::null;
  uint8_t flags = 0;  // 1: retain. Never set here: a retained value that is published again is dropped by the driver
  uint8_t op = 0;
  Payload app = Payload::value;
  uint32_t size = 0;  // bytes, of text and binary
  union {
    const char* text;
    const uint8_t* binary;
    uint64_t u64 = 0;
    uint32_t u32;
    int32_t i32;
    uint16_t u16;
    uint8_t u8;
  };
};
static_assert(sizeof(Value) == 16 && offsetof(Value, flags) == 1 && offsetof(Value, op) == 2 && offsetof(Value, app) == 3 &&
              offsetof(Value, size) == 4 && offsetof(Value, text) == 8 && offsetof(Value, u64) == 8 && offsetof(Value, u32) == 8);

// UTC of a counter: offset_time + (id - offset_counter) * 2^30 / counter_rate_hz.
struct TimeMap {
  int64_t offset_time = 0;  // 2^-30 s since 2018-01-01 UTC
  uint64_t offset_counter = 0;
  double counter_rate_hz = 0;
};
static_assert(sizeof(TimeMap) == 24 && offsetof(TimeMap, offset_counter) == 8 && offsetof(TimeMap, counter_rate_hz) == 16);

enum class Field : uint8_t { current = 1, voltage = 2, power = 3, range = 4, gpi = 5 };
enum class Element : uint8_t { integer = 2, unsigned_integer = 3, floating = 4 };

constexpr uint8_t struct_version = 1;
constexpr size_t stream_bytes_max = 262144;

// A run of one signal: element k has the id sample_id + k * decimate_factor, counted at sample_rate Hz. Bits are packed from
// the least significant on.
struct StreamSignal {
  uint8_t version = 0;
  uint8_t reserved[3] = {};
  uint32_t reserved_u32 = 0;
  uint64_t sample_id = 0;
  Field field = Field::current;
  uint8_t index = 0;  // range: 0 current, 1 voltage; gpi: input, 7 trigger
  Element element_type = Element::floating;
  uint8_t element_size_bits = 0;
  uint32_t element_count = 0;
  uint32_t sample_rate = 0;
  uint32_t decimate_factor = 0;
  TimeMap time_map;
  uint8_t data[stream_bytes_max] = {};
};
constexpr size_t stream_header_bytes = 56;
static_assert(offsetof(StreamSignal, sample_id) == 8 && offsetof(StreamSignal, field) == 16 &&
              offsetof(StreamSignal, index) == 17 && offsetof(StreamSignal, element_type) == 18 &&
              offsetof(StreamSignal, element_size_bits) == 19 && offsetof(StreamSignal, element_count) == 20 &&
              offsetof(StreamSignal, sample_rate) == 24 && offsetof(StreamSignal, decimate_factor) == 28 &&
              offsetof(StreamSignal, time_map) == 32 && offsetof(StreamSignal, data) == stream_header_bytes &&
              sizeof(StreamSignal) == 262200);

// One quantity of a block of statistics.
struct Moments {
  double average = 0, deviation = 0, minimum = 0, maximum = 0;
};
// charge and energy: 128 bit, two's complement, least significant word first, in 2^-31 C and J since accum_sample_id.
struct Statistics {
  uint8_t version = 0;
  uint8_t reserved_1[2] = {};
  uint8_t decimate_factor = 0;
  uint32_t block_sample_count = 0;  // decimated samples
  uint32_t sample_freq = 0;         // Hz, of ids
  uint32_t reserved_2 = 0;
  uint64_t block_sample_id = 0;
  uint64_t accum_sample_id = 0;
  Moments i, v, p;
  double charge_f64 = 0, energy_f64 = 0;
  uint64_t charge_i128[2] = {};
  uint64_t energy_i128[2] = {};
  TimeMap time_map;
};
static_assert(offsetof(Statistics, decimate_factor) == 3 && offsetof(Statistics, block_sample_count) == 4 &&
              offsetof(Statistics, sample_freq) == 8 && offsetof(Statistics, block_sample_id) == 16 &&
              offsetof(Statistics, accum_sample_id) == 24 && offsetof(Statistics, i) == 32 && offsetof(Statistics, v) == 64 &&
              offsetof(Statistics, p) == 96 && offsetof(Statistics, charge_f64) == 128 &&
              offsetof(Statistics, energy_f64) == 136 && offsetof(Statistics, charge_i128) == 144 &&
              offsetof(Statistics, energy_i128) == 160 && offsetof(Statistics, time_map) == 176 && sizeof(Statistics) == 200);

struct LogHeader {
  uint8_t version = 0, level = 0, reserved[2] = {};
  uint32_t line = 0;
  int64_t timestamp = 0;  // as TimeMap::offset_time
};
static_assert(sizeof(LogHeader) == 16 && offsetof(LogHeader, line) == 4 && offsetof(LogHeader, timestamp) == 8);
constexpr int8_t log_level_warning = 4;

enum SubscribeFlag : uint8_t { subscribe_retained = 1, subscribe_published = 2 };
enum OpenMode : int32_t { open_defaults = 0, open_resume = 1 };

// Return codes that are told apart; negative ones are those of libusb.
enum ReturnCode : int32_t {
  rc_ok = 0,
  rc_parameter_invalid = 5,
  rc_timed_out = 11,
  rc_not_found = 16,
  rc_unavailable = 20,
  rc_in_use = 21,
  rc_closed = 22,
  rc_usb_access = -3,
  rc_usb_no_device = -4,
  rc_usb_busy = -6
};

struct Context;  // the driver's own
using OnValue = void (*)(void* user_data, const char* topic, const Value* value);
using OnLog = void (*)(void* user_data, const LogHeader* header, const char* file_name, const char* message);

using Initialize = int32_t (*)(Context** context, const void* arguments, uint32_t timeout_ms);
using Finalize = void (*)(Context* context, uint32_t timeout_ms);
using Publish = int32_t (*)(Context* context, const char* topic, const Value* value, uint32_t timeout_ms);
using Query = int32_t (*)(Context* context, const char* topic, Value* value, uint32_t timeout_ms);
using Subscribe = int32_t (*)(Context* context, const char* topic, uint8_t flags, OnValue call, void* user_data,
                              uint32_t timeout_ms);
using Unsubscribe = int32_t (*)(Context* context, const char* topic, OnValue call, void* user_data, uint32_t timeout_ms);
using ErrorText = const char* (*)(int32_t code);
using LogInitialize = void (*)();
using LogRegister = int32_t (*)(OnLog call, void* user_data);
using LogFinalize = void (*)();
using LogLevelSet = void (*)(int8_t level);

}  // namespace joulespool::device::abi
