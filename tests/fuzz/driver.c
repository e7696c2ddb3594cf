/* libFuzzer around a Python target: `fastgw_fuzz TARGET [libFuzzer options]` calls tests.fuzz.TARGET.one(data) for each
 * input. Python lives inside this program so that the compiled rooms, loaded later, find the fuzzer's counters in it.
 * The octet behind an input is poisoned: who reads it is caught. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <sanitizer/asan_interface.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static PyObject *one;

static void give_up(const char *why) {
  fprintf(stderr, "fastgw_fuzz: %s\n", why);
  if (PyErr_Occurred()) {
    PyErr_Print();
  }
  exit(2);
}

/* The interpreter of the virtual environment, every allocation of its own known to AddressSanitizer. */
static void start(void) {
  PyPreConfig before;
  PyConfig config;
  PyPreConfig_InitPythonConfig(&before);
  before.allocator = PYMEM_ALLOCATOR_MALLOC;
  PyConfig_InitPythonConfig(&config);
  config.install_signal_handlers = 0;
  config.write_bytecode = 0;
  if (PyStatus_Exception(Py_PreInitialize(&before)) ||
      PyStatus_Exception(PyConfig_SetBytesString(&config, &config.executable, FASTGW_PYTHON)) ||
      PyStatus_Exception(Py_InitializeFromConfig(&config))) {
    give_up("Python does not start");
  }
  PyConfig_Clear(&config);
}

int LLVMFuzzerInitialize(int *count, char ***words) {
  char module[128];
  if (*count > 1 && (*words)[1][0] != '-') {
    /* For libFuzzer the name would be a folder of inputs; where it starts this program again, it does not pass it on. */
    setenv("FASTGW_FUZZ_TARGET", (*words)[1], 1);
    memmove(*words + 1, *words + 2, (size_t)(*count - 1) * sizeof(char *));
    *count -= 1;
  }
  const char *name = getenv("FASTGW_FUZZ_TARGET");
  if (name == NULL) {
    give_up("say which target");
  }
  snprintf(module, sizeof(module), "tests.fuzz.%s", name);
  start();
  PyObject *target = PyImport_ImportModule(module);
  one = target == NULL ? NULL : PyObject_GetAttrString(target, "one");
  if (one == NULL) {
    give_up("there is no such target");
  }
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  PyObject *input = PyBytes_FromStringAndSize((const char *)data, (Py_ssize_t)size);
  if (input == NULL) {
    abort();
  }
  const char *behind = PyBytes_AS_STRING(input) + size;
  /* Empty and one-octet inputs are objects that all of Python shares. */
  int alone = size > 1;
  if (alone) {
    ASAN_POISON_MEMORY_REGION(behind, 1);
  }
  PyObject *result = PyObject_CallOneArg(one, input);
  if (result == NULL) {
    PyErr_Print();
    abort();
  }
  Py_DECREF(result);
  if (alone) {
    ASAN_UNPOISON_MEMORY_REGION(behind, 1);
  }
  Py_DECREF(input);
  return 0;
}
