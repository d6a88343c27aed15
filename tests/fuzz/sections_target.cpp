#include <algorithm>
#include <cstring>

#include "agent/codec/samples.h"
#include "agent/codec/section.h"
#include "tests/fuzz/require.h"
#include "tests/fuzz/targets.h"
#include "tests/support/codec1_section_writer.h"

namespace joulespool::fuzz {
namespace {

using codec::Section;

// What `writer` holds is one section; a reader splits it off again.
Section only_section(const test::Codec1SectionWriter& writer) {
  const auto sections = codec::read_sections(writer.bytes());
  require(sections.ok() && sections->size() == 1, "sections: one that was written is read as one");
  return sections->front();
}

void check_elements(const Section& section, test::Codec1SectionWriter& writer) {
  const auto elements = codec::section_elements(section);
  if (!elements) return require(elements.error().code == Errc::damaged, "sections: elements are refused as damaged");
  require(elements->size() == (uint64_t{section.header.count} * section.header.bits + 7) / 8,
          "sections: as many bytes as count and width say");
  writer.clear();
  writer.add(section.header, *elements);
  const auto again = codec::section_elements(only_section(writer));
  require(again.ok() && *again == *elements, "sections: elements come back as they were");
  uint64_t first = 0;
  if (section.header.bits == 64 && section.header.count > 0) std::memcpy(&first, elements->data(), sizeof first);
  planted_defect(section.header.coding == codec::Coding::shuffled && (first >> 56) >= 0x80);
}

void check_corrections(const Section& section, test::Codec1SectionWriter& writer) {
  const auto xors = codec::section_corrections(section);
  if (!xors) return require(xors.error().code == Errc::damaged, "sections: corrections are refused as damaged");
  require(xors->size() == section.header.count, "sections: a correction for each element");
  if (std::ranges::all_of(*xors, [](uint32_t bits) { return bits == 0; })) return;  // nothing would be written
  writer.clear();
  writer.add_corrections(section.header, *xors);
  const auto again = codec::section_corrections(only_section(writer));
  require(again.ok() && *again == *xors, "sections: corrections come back as they were");
}

}  // namespace

bool run_sections(wire::ByteView input) {
  const auto sections = codec::read_sections(input);
  if (!sections) {
    require(sections.error().code == Errc::damaged, "sections: a payload is refused as damaged");
    return false;
  }
  size_t bytes = 0;
  test::Codec1SectionWriter writer;
  for (const Section& section : *sections) {
    bytes += codec::section_header_bytes + section.data.size();
    require(section.data.size() == section.header.size, "sections: a section has the size that it says");
    if (section.header.count > codec::samples_per_frame_max) continue;  // callers compare the count with the frame's first
    check_elements(section, writer);
    check_corrections(section, writer);
  }
  require(bytes == input.size(), "sections: together they are the payload");
  return true;
}

}  // namespace joulespool::fuzz
