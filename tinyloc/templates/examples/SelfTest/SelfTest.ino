// Prints the self-test every few seconds; on the host: tinyloc verify MODEL --serial PORT --baud 115200
#include <tl_selftest.h>

static tl_selftest_memory memory;

static void put(const char *text, uint32_t bytes) { Serial.write((const uint8_t *)text, bytes); }

void setup() { Serial.begin(115200); }

void loop() {
  tl_selftest(&memory, put);
  delay(3000);
}
