# Toolchain of preset aarch64: Debian's cross compiler, and Debian's arm64 libraries beside ours (multiarch).
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
# libc and libzstd come with libzstd-dev:arm64; the C++ runtime is in the compiler's own folder, where qemu would not look.
set(CMAKE_EXE_LINKER_FLAGS_INIT "-static-libstdc++ -static-libgcc")
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64)
