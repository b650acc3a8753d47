#include "nolibc.h"
