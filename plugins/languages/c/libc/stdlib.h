// The part of the C library that the generated code needs; memory.c has it.
#pragma once
#include <stddef.h>

void *malloc(size_t size);
void *realloc(void *old, size_t size);
void free(void *block);
#define abort() __builtin_trap()
