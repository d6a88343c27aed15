// Flags that several commands share: where the settings come from, and which spool is meant.
#pragma once

#include <memory>

#include "agent/base/option_cli.h"
#include "agent/cli/command.h"
#include "agent/config/settings.h"
#include "agent/spool/spool.h"

namespace joulespool::cli {

// --config, and with `all` one flag for every setting and --device.
class SettingsFlags {
 public:
  static std::shared_ptr<SettingsFlags> add(CLI::App& app, bool all);
  // Without `finds_file`, no file is read that --config does not name.
  [[nodiscard]] Result<config::LoadedSettings> load(const Surroundings& surroundings, bool finds_file = true) const;
  [[nodiscard]] std::string file(const Surroundings& surroundings) const;  // empty: none
  [[nodiscard]] bool file_given() const { return !file_.empty(); }

 private:
  std::string file_;
  OptionFlags flags_;
};

// A spool directory by --spool, or that of the settings.
class SpoolFlags {
 public:
  static std::shared_ptr<SpoolFlags> add(CLI::App& app, bool with_json = true);

  struct Place {
    std::string directory;
    uint64_t budget_bytes = 0;          // 0: not known, because no settings were read
    uint64_t card_endurance_bytes = 0;  // 0: not known
  };
  // With --spool and without --config, no settings are read: a copied spool needs none.
  [[nodiscard]] Result<Place> place(const Surroundings& surroundings) const;
  // All settings, for what a command needs beside the place.
  [[nodiscard]] Result<config::LoadedSettings> load(const Surroundings& surroundings, bool finds_file) const {
    return settings_->load(surroundings, finds_file);
  }
  // The reader of a place. Errors: unreachable, also where there is no spool at all.
  static Result<std::unique_ptr<spool::SpoolReader>> open(const Place& place);

  bool json = false;

 private:
  std::string directory_;
  std::shared_ptr<SettingsFlags> settings_;
};

// --json into `target`.
void add_json_flag(CLI::App& app, bool& target);

}  // namespace joulespool::cli
