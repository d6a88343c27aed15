#include "agent/device/usb_bus.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string_view>
#include <system_error>
#include <tuple>

namespace joulespool::device {
namespace {

constexpr std::string_view vendor_id = "16d0";
constexpr size_t attribute_bytes_max = 256;  // serial numbers and the like

struct ProductId {
  std::string_view id, model;
  bool is_bootloader;
};
constexpr std::array<ProductId, 5> products = {{{"0e88", "js110", false},
                                                {"0e87", "js110", true},
                                                {"10ba", "js220", false},
                                                {"10b9", "js220", true},
                                                {"135a", "js320", false}}};

// An attribute of a device without its newline; empty if it is not there (any more).
std::string read_attribute(const std::filesystem::path& device, const char* name) {
  std::string text(attribute_bytes_max, '\0');
  std::ifstream file(device / name);
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  return text.substr(0, text.find_first_of("\r\n"));
}

// 0 for what is no number ("1.5", an empty text).
uint32_t to_number(const std::string& text) {
  uint32_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  return failure == std::errc() && end == text.data() + text.size() ? number : 0;
}

const ProductId* find_product(const std::filesystem::path& device) {
  if (read_attribute(device, "idVendor") != vendor_id) return nullptr;
  const std::string id = read_attribute(device, "idProduct");
  const auto at = std::find_if(products.begin(), products.end(), [&](const ProductId& product) { return product.id == id; });
  return at == products.end() ? nullptr : &*at;
}

std::optional<UsbInstrument> read_instrument(const std::filesystem::path& device) {
  const ProductId* product = find_product(device);
  if (product == nullptr) return std::nullopt;
  UsbInstrument instrument;
  instrument.identity = wire::device_identity(product->model, read_attribute(device, "serial"));
  instrument.is_bootloader = product->is_bootloader;
  instrument.port = device.filename().string();
  instrument.bus = to_number(read_attribute(device, "busnum"));
  instrument.address = to_number(read_attribute(device, "devnum"));
  instrument.speed_mbps = to_number(read_attribute(device, "speed"));
  if (instrument.bus == 0 || instrument.address == 0) return std::nullopt;  // it is just being unplugged
  return instrument;
}

}  // namespace

Result<std::vector<UsbInstrument>> read_usb_instruments(const std::string& sysfs_root) {
  const std::filesystem::path devices = std::filesystem::path(sysfs_root) / "bus/usb/devices";
  std::error_code failure;
  std::filesystem::directory_iterator at(devices, failure);
  if (failure) return Error{Errc::not_found, devices.string() + ": " + failure.message()};
  std::vector<UsbInstrument> instruments;
  for (; !failure && at != std::filesystem::directory_iterator(); at.increment(failure))
    if (auto instrument = read_instrument(at->path())) instruments.push_back(std::move(*instrument));
  std::sort(instruments.begin(), instruments.end(), [](const UsbInstrument& one, const UsbInstrument& other) {
    return std::tie(one.bus, one.port) < std::tie(other.bus, other.port);
  });
  return instruments;
}

std::string usb_node(const UsbInstrument& instrument, const std::string& dev_root) {
  std::array<char, 48> below{};
  std::snprintf(below.data(), below.size(), "/bus/usb/%03u/%03u", instrument.bus, instrument.address);
  return dev_root + below.data();
}

}  // namespace joulespool::device
