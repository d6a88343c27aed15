#include "cloud-bridge/cli/commands.h"

#include "cloud-bridge/cli/check_command.h"
#include "cloud-bridge/cli/export_command.h"
#include "cloud-bridge/cli/reference_command.h"
#include "cloud-bridge/cli/run_command.h"
#include "cloud-bridge/cli/tail_command.h"

namespace joulespool::bridge_cli {
namespace {

constexpr Command commands[] = {
    {"", "run", "Carry frames from the MQTT broker to Kinesis until SIGTERM or SIGINT", add_run},
    {"", "tail", "Show what arrives in Kinesis: per device rate, lag, power, energy, gaps", add_tail},
    {"", "export", "Write windows or samples of a device as CSV", add_export},
    {"", "check", "Is a device complete in Kinesis? Names what is missing (exit code 1)", add_check},
    {"", "reference", "All settings as Markdown (docs/reference/bridge-configuration.md)", add_reference},
};

constexpr Program program = {"joulespool-bridge", "Joulespool bridge: frames from MQTT to Kinesis, and back out of it", commands};

}  // namespace

int run_command_line(int argc, const char* const* argv, const Surroundings& surroundings) {
  return joulespool::run_command_line(program, argc, argv, surroundings);
}

}  // namespace joulespool::bridge_cli
