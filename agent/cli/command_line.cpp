#include "agent/cli/command_line.h"

#include "agent/cli/command.h"

namespace joulespool::cli {
namespace {

constexpr Command commands[] = {
    {"", "run", "Capture, store and ship until SIGTERM or SIGINT", add_run},
    {"", "status", "What the running agent does, or what the spool holds if none runs", add_status},
    {"", "doctor", "Is everything there that the agent needs? Driver, USB, clock, disk, broker; exit code 1 if not", add_doctor},
    {"device", "list", "Instruments: model, serial, firmware, state, and why one cannot be used", add_device_list},
    {"device", "watch", "Current, voltage and power as they are measured", add_device_watch},
    {"spool", "list", "Devices and lanes in the spool: sizes, times, what is not uploaded yet", add_spool_list},
    {"spool", "show", "Frames in the spool, or one frame in detail", add_spool_show},
    {"spool", "stat", "How full the spool is, how long it and its card will last, what is damaged", add_spool_stat},
    {"spool", "verify", "Read and recompute every frame; exit code 1 if anything is wrong", add_spool_verify},
    {"spool", "repair", "Put what can be read of a damaged spool into a new one; exit code 1 if anything is lost",
     add_spool_repair},
    {"spool", "push", "Send a spool whose host is gone to a broker, under the host's name", add_spool_push},
    {"spool", "purge", "Drop frames, with a gap record of what was not sent; asks before it does", add_spool_purge},
    {"spool", "export", "Windows or samples as CSV, column files, raw float32 or JLS (docs/export.md)", add_spool_export},
    {"spool", "plot", "A picture of current, voltage and power, on the terminal or as PNG", add_spool_plot},
    {"config", "show", "Every setting in force and where it came from", add_config_show},
    {"config", "check", "Is this file a valid configuration?", add_config_check},
    {"config", "reference", "All settings as Markdown (docs/reference/agent-configuration.md)", add_config_reference},
    {"", "driver-host", "Runs the driver for one instrument beside the agent, which starts it: of no use by hand",
     add_driver_host, true},
};

constexpr CommandGroup groups[] = {
    {"device", "Instruments, of the running agent or directly"},
    {"spool", "Look into a spool, also beside a running agent or on a copy; only purge, push and repair write"},
    {"config", "Settings"},
};

constexpr Program program = {"joulespool", "Joulespool agent: samples of energy analysers, stored and shipped without a loss",
                             commands, groups};

}  // namespace

int run_command_line(int argc, const char* const* argv, const Surroundings& surroundings) {
  return joulespool::run_command_line(program, argc, argv, surroundings);
}

}  // namespace joulespool::cli
