#include "agent/app/wave_buffer.h"

#include <algorithm>
#include <cassert>

namespace joulespool::app {
namespace {

double window_s(const WaveBufferSettings& settings) {
  return static_cast<double>(settings.window_ticks) / settings.axis.counter_rate_hz;
}

ResolutionChooser chooser_of(const WaveBufferSettings& settings) {
  const double rate_hz = settings.axis.sample_rate_hz();
  const double window = window_s(settings);
  return {resolution_ladder(rate_hz, settings.rate_hz, settings.has_budget, window),
          {rate_hz, window, settings.frame_bytes_max, settings.frame_bytes_empty, codec::samples_per_frame_max}};
}

void append_tail(std::vector<float>& to, const std::vector<float>& from, size_t skip) {
  to.insert(to.end(), from.begin() + static_cast<std::ptrdiff_t>(std::min(skip, from.size())), from.end());
}

void drop_front(std::vector<float>& values, size_t count) {
  values.erase(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(std::min(count, values.size())));
}

std::span<const float> part_of(const std::vector<float>& values, size_t first, size_t count) {
  return values.empty() ? std::span<const float>{} : std::span(values).subspan(first, count);
}

// Its elements from `sample_id` on, in `memory`.
signal::PackedRun part_from(const signal::PackedRun& run, uint64_t sample_id, wire::Bytes& memory) {
  signal::BitColumn column(run);
  column.append(run);
  return column.slice(sample_id, column.sample_id_end(), memory);
}

}  // namespace

WaveBuffer::WaveBuffer(const WaveBufferSettings& settings) : settings_(settings), chooser_(chooser_of(settings)) {
  for (const Rung& rung : chooser_.ladder()) {
    if (rung.factor <= 1 || lower_rates_.contains(rung.factor)) continue;
    auto i = signal::PiecewiseDecimator::make(rung.factor);
    auto v = signal::PiecewiseDecimator::make(rung.factor);
    assert(i && v);  // a ladder has only factors that can be
    samples_before_ = std::max(samples_before_, i->samples_before());
    samples_after_ = std::max(samples_after_, i->samples_after());
    lower_rates_.emplace(rung.factor, LowerRate{std::move(*i), std::move(*v)});
  }
}

void WaveBuffer::add(const OwnedBlock& block, size_t skip) {
  if (skip >= block.i.size()) return;
  const uint64_t first = block.sample_id + skip * block.axis.decimation;
  const bool has_power = !block.p.empty();
  if (runs_.empty() || first != expected_ || runs_.back().has_power != has_power) {
    if (!runs_.empty() && runs_.back().taken == runs_.back().i.size()) runs_.pop_back();
    Run& begun = runs_.emplace_back();
    begun.id = ++runs_begun_;
    begun.sample_id = first;
    begun.has_power = has_power;
  }
  Run& run = runs_.back();
  append_tail(run.i, block.i, skip);
  append_tail(run.v, block.v, skip);
  append_tail(run.p, block.p, skip);
  wire::Bytes memory;
  for (const OwnedBlock::Packed& packed : block.packed) {
    const signal::PackedRun elements = skip == 0 ? packed.run : part_from(packed.run, first, memory);
    auto column = std::find_if(run.packed.begin(), run.packed.end(),
                               [&](const signal::BitColumn& known) { return known.continues(elements); });
    if (column == run.packed.end()) column = run.packed.emplace(run.packed.end(), elements);
    column->append(elements);
  }
  expected_ = block.sample_id + block.i.size() * block.axis.decimation;
}

uint64_t WaveBuffer::takeable_end() const {
  if (runs_.empty() || samples_after_ == 0) return UINT64_MAX;
  const Run& last = runs_.back();
  const size_t count = std::max(last.taken, last.i.size() - std::min(last.i.size(), samples_after_));
  return last.sample_id + count * settings_.axis.decimation;
}

signal::SampleSpan WaveBuffer::span_of(const Run& run, size_t first, size_t count) const {
  return {run.sample_id + first * settings_.axis.decimation, settings_.axis.decimation, part_of(run.i, first, count),
          part_of(run.v, first, count), part_of(run.p, first, count)};
}

bool WaveBuffer::has_packed(const Run& run, size_t first, size_t count) const {
  const uint64_t sample_id = run.sample_id + first * settings_.axis.decimation;
  const uint64_t end = sample_id + count * settings_.axis.decimation;
  return std::any_of(run.packed.begin(), run.packed.end(), [&](const signal::BitColumn& column) {
    return column.sample_id() < end && column.sample_id_end() > sample_id;
  });
}

// So many samples have no more packed elements than a frame may hold.
size_t WaveBuffer::samples_max(const Run& run) const {
  uint64_t elements_per_sample = 0;
  for (const signal::BitColumn& column : run.packed)
    elements_per_sample += (settings_.axis.decimation - 1) / column.decimation() + 1;
  return std::max<uint64_t>(1, codec::packed_elements_per_frame_max / std::max<uint64_t>(1, elements_per_sample));
}

wire::ByteView WaveBuffer::encode_windows(const Run& run, size_t first, size_t count, uint32_t window_factor) {
  windows_.clear();
  signal::WindowAccumulator accumulator(settings_.window_ticks * window_factor);
  accumulator.add(span_of(run, first, count), windows_);
  accumulator.flush(windows_);
  return window_encoder_.encode(windows_, run.sample_id + first * settings_.axis.decimation);
}

// `bytes`: what they point to.
std::vector<codec::PackedSignal> WaveBuffer::packed_of(const Run& run, size_t first, size_t count,
                                                       std::deque<wire::Bytes>& bytes) const {
  const uint64_t sample_id = run.sample_id + first * settings_.axis.decimation;
  const uint64_t end = sample_id + count * settings_.axis.decimation;
  std::vector<codec::PackedSignal> packed;
  for (const signal::BitColumn& column : run.packed) {
    const signal::PackedRun slice = column.slice(sample_id, end, bytes.emplace_back());
    if (slice.count > 0)
      packed.push_back({static_cast<uint8_t>(slice.signal), slice.bits, static_cast<uint32_t>(slice.sample_id - sample_id),
                        slice.decimation, slice.count, slice.data});
  }
  return packed;
}

wire::ByteView WaveBuffer::encode(const Run& run, size_t first, size_t count, const Rung& rung, bool ended) {
  std::deque<wire::Bytes> bytes;
  const auto packed = rung.packed ? packed_of(run, first, count, bytes) : std::vector<codec::PackedSignal>();
  const signal::SampleSpan all = span_of(run, first, count);
  if (rung.factor == 1) return encoder_.encode({all.i, all.v, all.p, packed});
  const wire::ByteView windows = encode_windows(run, first, count, rung.window_factor);
  if (rung.factor == 0) return lower_rate_encoder_.encode({{}, {}, {}, packed, windows});
  LowerRate& rate = lower_rates_.at(rung.factor);
  const auto kept = [&](signal::PiecewiseDecimator& of, const std::vector<float>& values) {
    return of.outputs({run.id, run.sample_id, settings_.axis.decimation, values, ended}, first, count);
  };
  return lower_rate_encoder_.encode({kept(rate.i, run.i), kept(rate.v, run.v), {}, packed, windows});
}

WavePiece WaveBuffer::piece(const Run& run, size_t first, size_t count, const Rung& rung, const ByteBudget& budget) const {
  WavePiece made;
  made.sample_id_first = run.sample_id + first * settings_.axis.decimation;
  made.sample_id_end = made.sample_id_first + count * settings_.axis.decimation;
  if (rung.factor == 1) {
    made.sums = signal::summarise(span_of(run, first, count));
  } else {
    for (const wire::Window& window : windows_) made.sums.merge(window);
  }
  if (rung.factor != 1 || budget.limits())
    made.kept = wire::Resolution{rung.factor * settings_.axis.decimation, rung.window_factor * settings_.window_ticks,
                                 budget.bytes_per_s(), !rung.packed};
  return made;
}

void WaveBuffer::take_run(Run& run, size_t end, bool ended, ByteBudget& budget,
                          const std::function<void(const WavePiece&)>& give) {
  while (run.taken < end) {
    const size_t left = std::min(end - run.taken, samples_max(run));
    const bool packed = has_packed(run, run.taken, left);
    ResolutionChooser::Proposal proposal = chooser_.propose(left, packed, budget);
    wire::ByteView payload;
    do payload = encode(run, run.taken, proposal.samples, chooser_.rung(proposal), ended);
    while (!chooser_.judge(settings_.frame_bytes_empty + payload.size(), left, packed, budget, proposal));
    WavePiece made = piece(run, run.taken, proposal.samples, chooser_.rung(proposal), budget);
    made.payload = payload;
    give(made);
    run.taken += proposal.samples;
  }
}

// Keeps what the filters need for the next piece. Moves the rest to the front only when more has gone than stays.
void WaveBuffer::drop_taken(Run& run) const {
  const uint64_t taken_id = run.sample_id + run.taken * settings_.axis.decimation;
  for (signal::BitColumn& column : run.packed) column.drop_before(taken_id);
  std::erase_if(run.packed, [](const signal::BitColumn& column) { return column.empty(); });
  const size_t droppable = run.taken - std::min(run.taken, samples_before_);
  if (droppable < run.i.size() - droppable) return;
  drop_front(run.i, droppable);
  drop_front(run.v, droppable);
  drop_front(run.p, droppable);
  run.sample_id += droppable * settings_.axis.decimation;
  run.taken -= droppable;
}

void WaveBuffer::take(uint64_t end, bool ended, ByteBudget& budget, const std::function<void(const WavePiece&)>& give) {
  while (!runs_.empty() && runs_.front().sample_id < end) {
    Run& run = runs_.front();
    const bool goes_on = runs_.size() == 1 && !ended;
    const uint64_t count = (end - run.sample_id - 1) / settings_.axis.decimation + 1;
    take_run(run, std::min<uint64_t>(count, run.i.size()), !goes_on, budget, give);
    if (run.taken < run.i.size() || goes_on) return drop_taken(run);
    runs_.pop_front();
  }
}

}  // namespace joulespool::app
