# cmake -S . -B ../build-arm -DCMAKE_TOOLCHAIN_FILE=cortex-m/arm-none-eabi.cmake && cmake --build ../build-arm
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR arm)
set(CMAKE_C_COMPILER arm-none-eabi-gcc)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(TL_CPU_FLAGS "@CPU_FLAGS@" CACHE STRING "The core, and how it passes floats (there are none)")
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES TL_CPU_FLAGS)
set(CMAKE_C_FLAGS_INIT "${TL_CPU_FLAGS} -ffreestanding -fno-common -ffunction-sections -fdata-sections")
set(CMAKE_EXE_LINKER_FLAGS_INIT "-nostdlib -Wl,--gc-sections,-z,max-page-size=4")
