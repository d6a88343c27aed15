// Where fuzzing begins: small inputs that decode, made by the real encoders, and the golden frames.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "agent/wire/types.h"

namespace joulespool::fuzz {

struct Seed {
  std::string target;
  std::string name;
  wire::Bytes bytes;
};

// `golden`: tests/vectors/frames. Every frame is a seed of target `frame`, its payload one of the target for its lane and codec,
// and what is inside of that one of the targets for parts.
std::vector<Seed> make_seeds(const std::filesystem::path& golden);

}  // namespace joulespool::fuzz
