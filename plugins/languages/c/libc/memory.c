// Memory for plugins without a C library: blocks in sizes of powers of two, and a list of free ones for each size.
//
// A plugin that has a library, wasi-libc for example, doesn't need this folder.

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 65536

// In front of each block. Its size keeps blocks aligned for any type.
typedef union header {
  union header *next; // while it is free
  uint32_t power;     // while it is used
  uint8_t alignment[16];
} header;

extern uint8_t __heap_base;
static uintptr_t top, end;
static header *unused[32];

void *malloc(size_t size) {
  if (size > (size_t)1 << 30) return NULL;
  uint32_t power = 4;
  while (((size_t)1 << power) < size) power++;
  header *block = unused[power];
  if (block) {
    unused[power] = block->next;
  } else {
    size_t wanted = sizeof(header) + ((size_t)1 << power);
    if (!top) {
      top = ((uintptr_t)&__heap_base + 15) & ~(uintptr_t)15;
      end = __builtin_wasm_memory_size(0) * PAGE;
    }
    if (wanted > end - top) {
      size_t pages = (wanted - (end - top) + PAGE - 1) / PAGE;
      if (__builtin_wasm_memory_grow(0, pages) == (size_t)-1) return NULL;
      end += pages * PAGE;
    }
    block = (header *)top;
    top += wanted;
  }
  block->power = power;
  return block + 1;
}

void free(void *used) {
  if (!used) return;
  header *block = (header *)used - 1;
  uint32_t power = block->power;
  block->next = unused[power];
  unused[power] = block;
}

void *realloc(void *old, size_t size) {
  if (!old) return malloc(size);
  size_t room = (size_t)1 << ((header *)old - 1)->power;
  if (size <= room) return old;
  void *new = malloc(size);
  if (new) {
    memcpy(new, old, room);
    free(old);
  }
  return new;
}

void *memcpy(void *restrict to, const void *restrict from, size_t len) {
  for (size_t i = 0; i < len; i++) ((uint8_t *)to)[i] = ((const uint8_t *)from)[i];
  return to;
}

void *memset(void *to, int byte, size_t len) {
  for (size_t i = 0; i < len; i++) ((uint8_t *)to)[i] = (uint8_t)byte;
  return to;
}

int memcmp(const void *one, const void *other, size_t len) {
  const uint8_t *a = one, *b = other;
  for (size_t i = 0; i < len; i++)
    if (a[i] != b[i]) return a[i] - b[i];
  return 0;
}

size_t strlen(const char *text) {
  size_t len = 0;
  while (text[len]) len++;
  return len;
}
