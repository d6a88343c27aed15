# The whole dependency policy on one screen. Everything is a Debian 12 package; npm serves test peers only. `./dev deps` prints
# what is listed here: each line that begins with "# apt" or "# npm" names packages, who needs them, and why.

# apt build   cmake ninja-build g++                     the build
# apt build   protobuf-compiler libprotobuf-dev         agent/wire: frame header, events, acks (lite runtime, 830 kB)
# apt build   libpaho-mqttpp-dev libpaho-mqtt-dev libssl-dev   agent/mqtt: MQTT 5 (the first needs, but does not depend on, the other two)
# apt build   libsqlite3-dev                            agent/spool: the durable queue
# apt build   libzstd-dev                               agent/codec, agent/device: compression of payloads and recordings
# apt build   libcli11-dev libtomlplusplus-dev          agent/base: command line and configuration file
# apt build   nlohmann-json3-dev                        JSON of topics, --json, Kinesis' API
# apt build   libpng-dev                              agent/cli: spool plot --png
# apt build   libcurl4-openssl-dev                      cloud-bridge/sink: HTTP; libssl also signs (SigV4)
# apt test    doctest-dev                               unit tests
# apt test    mosquitto mosquitto-clients               a real MQTT broker
# apt test    clang libclang-rt-14-dev                  tests/fuzz: libFuzzer and its sanitizers are clang's
# apt test    g++-aarch64-linux-gnu libzstd-dev:arm64 qemu-user   tests/cross: the codec as a Raspberry Pi runs it, here
# apt test    libblosc-dev libflac-dev zlib1g-dev        tests/bench: codecs that ours is compared with (Debian 12 has no Blosc 2)
# apt test    valgrind                                  tests/bench: counts instructions
# apt test    nodejs npm                                runs the Kinesis emulator; skipped where npm is there already
# apt test    python3 python3-protobuf python3-zstandard python3-numpy python3-boto3   the Python reader; botocore checks our SigV4
# apt format  clang-format clang-tidy                 ./dev format and ./dev tidy
# npm test    kinesalite@3.3.3                          Kinesis' HTTP API on loopback

find_package(Threads REQUIRED)
find_package(zstd 1.5 REQUIRED)
if(JOULESPOOL_SCOPE STREQUAL cross)
  return()
endif()
find_package(Protobuf 3.21 REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
if(JOULESPOOL_SCOPE STREQUAL fuzz)
  return()
endif()
find_package(OpenSSL REQUIRED)
find_package(PahoMqttCpp 1.2 REQUIRED)
find_package(PNG 1.6 REQUIRED)
find_package(SQLite3 3.40 REQUIRED)
find_package(CLI11 2.1 REQUIRED)
find_package(tomlplusplus 3.3 REQUIRED)
find_package(CURL 7.88 REQUIRED)
find_package(doctest 2.4 REQUIRED)
find_package(ZLIB 1.2 REQUIRED)
find_library(BLOSC_LIBRARY blosc REQUIRED)
find_library(FLAC_LIBRARY FLAC REQUIRED)
