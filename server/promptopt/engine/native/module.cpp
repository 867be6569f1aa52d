// The Python module promptopt.engine._native (stable ABI of Python 3.11). Computing happens without the interpreter's lock.
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <exception>
#include <memory>
#include <new>
#include <stdexcept>

#include "t5.h"

namespace {

using namespace promptopt;

// A buffer that lives as long as the network that reads it.
struct Mapping {
  Py_buffer view{};
  explicit Mapping(PyObject* object) {
    if (PyObject_GetBuffer(object, &view, PyBUF_SIMPLE) != 0) throw std::invalid_argument("the model is no buffer");
  }
  ~Mapping() { PyBuffer_Release(&view); }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
};

// Tensors by the table of a model file: {name: (kind, rows, columns, offset)}.
class FileTensors : public Tensors {
 public:
  FileTensors(const Py_buffer& view, PyObject* table) : view_(view), table_(table) {}

  bool has(const std::string& name) const override { return PyDict_GetItemString(table_, name.c_str()) != nullptr; }

  Matrix matrix(const std::string& name, int rows, int columns) const override {
    const Entry entry = find(name, rows, columns);
    Matrix matrix;
    matrix.rows = rows;
    matrix.columns = columns;
    const std::size_t padded = static_cast<std::size_t>(matrix.padded_rows());
    if (entry.kind == "float32" || entry.kind == "float16") {
      matrix.kind = entry.kind == "float32" ? Kind::float32 : Kind::float16;
      matrix.data = bytes(entry, name, padded * static_cast<std::size_t>(columns) * (matrix.kind == Kind::float32 ? 4 : 2));
    } else if (entry.kind == "int8") {
      matrix.kind = Kind::int8;
      const std::size_t size = padded * static_cast<std::size_t>(matrix.quads()) * 4;
      const char* data = bytes(entry, name, size + 8 * padded);
      matrix.data = data;
      matrix.scales = reinterpret_cast<const float*>(data + size);
      matrix.sums = reinterpret_cast<const std::int32_t*>(data + size + 4 * padded);
    } else {
      throw std::invalid_argument(name + " is no matrix");
    }
    return matrix;
  }

  const float* table(const std::string& name, int rows, int columns) const override {
    const Entry entry = find(name, rows, columns);
    if (entry.kind != "table") throw std::invalid_argument(name + " is no table");
    return reinterpret_cast<const float*>(bytes(entry, name, static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns) * 4));
  }

 private:
  struct Entry {
    std::string kind;
    Py_ssize_t offset;
  };

  Entry find(const std::string& name, int rows, int columns) const {
    PyObject* item = PyDict_GetItemString(table_, name.c_str());
    if (item == nullptr) throw std::invalid_argument(name + " is missing");
    const char* kind = nullptr;
    int found_rows = 0, found_columns = 0;
    Py_ssize_t offset = 0;
    if (!PyTuple_Check(item) || !PyArg_ParseTuple(item, "siin", &kind, &found_rows, &found_columns, &offset)) {
      PyErr_Clear();
      throw std::invalid_argument(name + " has a malformed entry");
    }
    if (found_rows != rows || found_columns != columns) throw std::invalid_argument(name + " is of another shape than the network");
    return {kind, offset};
  }

  const char* bytes(const Entry& entry, const std::string& name, std::size_t size) const {
    const std::size_t length = static_cast<std::size_t>(view_.len);
    if (entry.offset < 0 || entry.offset % 64 != 0 || size > length || static_cast<std::size_t>(entry.offset) > length - size)
      throw std::invalid_argument(name + " lies outside the model");
    return static_cast<const char*>(view_.buf) + entry.offset;
  }

  const Py_buffer& view_;
  PyObject* table_;
};

struct NetworkObject {
  PyObject_HEAD
  std::shared_ptr<Mapping> mapping;
  std::shared_ptr<Network> network;
};

struct SessionObject {
  PyObject_HEAD
  PyObject* owner;
  std::unique_ptr<Session> session;
};

PyTypeObject* session_type = nullptr;

// Turns a C++ exception into a Python one.
template <class Work>
PyObject* guarded(const Work& work) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return PyErr_NoMemory();
  } catch (const std::exception& error) {
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, error.what());
    return nullptr;
  }
}

// Gives up the interpreter's lock while it lives.
class Unlocked {
 public:
  Unlocked() : state_(PyEval_SaveThread()) {}
  ~Unlocked() { PyEval_RestoreThread(state_); }
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;

 private:
  PyThreadState* state_;
};

Drafts drafts_of(const char* bytes, Py_ssize_t size) {
  static_assert(sizeof(Draft) == 12, "a draft is three numbers, as in its file");
  std::vector<Draft> drafts(static_cast<std::size_t>(size) / sizeof(Draft));
  if (!drafts.empty()) std::memcpy(drafts.data(), bytes, drafts.size() * sizeof(Draft));
  return Drafts(std::move(drafts));
}

PyObject* network_new(PyTypeObject* type, PyObject* arguments, PyObject*) {
  PyObject *buffer = nullptr, *table = nullptr;
  const char* drafts = nullptr;
  Py_ssize_t size_of_drafts = 0;
  Shape shape{};
  int activation = 0, gated = 0, threads = 0;
  const char* name = nullptr;
  if (!PyArg_ParseTuple(arguments, "O(iiiiiiiiipfi)O!isy#", &buffer, &shape.d_model, &shape.d_kv, &shape.heads, &shape.d_ff, &shape.encoder_layers,
                        &shape.decoder_layers, &shape.vocabulary, &shape.distance, &activation, &gated, &shape.epsilon, &shape.start, &PyDict_Type,
                        &table, &threads, &name, &drafts, &size_of_drafts))
    return nullptr;
  shape.activation = static_cast<Activation>(activation);
  shape.gated = gated != 0;
  return guarded([&]() -> PyObject* {
    for (const int size : {shape.d_model, shape.d_kv, shape.heads, shape.d_ff, shape.encoder_layers, shape.decoder_layers, shape.vocabulary,
                           shape.distance})
      if (size < 1 || size > (1 << 24)) throw std::invalid_argument("the shape of the network is impossible");
    if (shape.start < 0 || shape.start >= shape.vocabulary || activation < 0 || activation > 2 || threads < 1 || threads > 1024)
      throw std::invalid_argument("the shape of the network is impossible");
    const Kernels* kernels = find_kernels(name);
    if (kernels == nullptr) throw std::invalid_argument(std::string("this processor does not run the kernels ") + name);
    auto mapping = std::make_shared<Mapping>(buffer);
    auto network = std::make_shared<Network>(shape, FileTensors(mapping->view, table), threads, *kernels, drafts_of(drafts, size_of_drafts));
    const auto allocate = reinterpret_cast<allocfunc>(PyType_GetSlot(type, Py_tp_alloc));
    auto* self = reinterpret_cast<NetworkObject*>(allocate(type, 0));
    if (self == nullptr) return nullptr;
    new (&self->mapping) std::shared_ptr<Mapping>(std::move(mapping));
    new (&self->network) std::shared_ptr<Network>(std::move(network));
    return reinterpret_cast<PyObject*>(self);
  });
}

void network_dealloc(PyObject* object) {
  auto* self = reinterpret_cast<NetworkObject*>(object);
  PyTypeObject* type = Py_TYPE(object);
  self->network.~shared_ptr();
  self->mapping.~shared_ptr();
  reinterpret_cast<freefunc>(PyType_GetSlot(type, Py_tp_free))(object);
  Py_DECREF(type);
}

std::vector<int> ids_of(PyObject* list) {
  std::vector<int> pieces;
  for (Py_ssize_t p = 0; p < PyList_Size(list); ++p) {
    const long id = PyLong_AsLong(PyList_GetItem(list, p));
    if (id == -1 && PyErr_Occurred()) throw std::invalid_argument("a source should be a list of ids");
    pieces.push_back(id < 0 || id > 0x7fffffff ? -1 : static_cast<int>(id));
  }
  return pieces;
}

std::vector<std::vector<int>> ids(PyObject* sources) {
  std::vector<std::vector<int>> all;
  const Py_ssize_t count = PyList_Size(sources);
  for (Py_ssize_t n = 0; n < count; ++n) {
    PyObject* source = PyList_GetItem(sources, n);
    if (source == nullptr || !PyList_Check(source)) throw std::invalid_argument("a source should be a list of ids");
    all.push_back(ids_of(source));
  }
  return all;
}

PyObject* network_start(PyObject* object, PyObject* arguments) {
  PyObject *sources = nullptr, *withheld = nullptr, *ruled = nullptr;
  Decoding decoding{};
  unsigned long long seed = 0;
  if (!PyArg_ParseTuple(arguments, "O!O!O!idiKii", &PyList_Type, &sources, &PyList_Type, &withheld, &PyList_Type, &ruled, &decoding.limit, &decoding.temperature,
                        &decoding.top_k, &seed, &decoding.end, &decoding.written))
    return nullptr;
  decoding.seed = seed;
  return guarded([&]() -> PyObject* {
    const std::vector<std::vector<int>> asked = ids(sources), never = ids(withheld);
    const std::vector<int> changing = ids_of(ruled);
    std::unique_ptr<Session> session;
    {
      const Unlocked unlocked;
      session = std::make_unique<Session>(reinterpret_cast<NetworkObject*>(object)->network, asked, never, changing, decoding);
    }
    const auto allocate = reinterpret_cast<allocfunc>(PyType_GetSlot(session_type, Py_tp_alloc));
    auto* self = reinterpret_cast<SessionObject*>(allocate(session_type, 0));
    if (self == nullptr) return nullptr;
    Py_INCREF(object);
    self->owner = object;
    new (&self->session) std::unique_ptr<Session>(std::move(session));
    return reinterpret_cast<PyObject*>(self);
  });
}

PyObject* network_kernels(PyObject* object, void*) {
  return PyUnicode_FromString(reinterpret_cast<NetworkObject*>(object)->network->kernels().name);
}

PyObject* session_step(PyObject* object, PyObject* arguments) {
  PyObject* asked = nullptr;
  if (!PyArg_ParseTuple(arguments, "O!", &PyDict_Type, &asked)) return nullptr;
  return guarded([&]() -> PyObject* {
    std::map<int, std::vector<int>> only;
    PyObject *row = nullptr, *pieces = nullptr;
    for (Py_ssize_t place = 0; PyDict_Next(asked, &place, &row, &pieces);) {
      const long number = PyLong_AsLong(row);
      if ((number == -1 && PyErr_Occurred()) || !PyList_Check(pieces)) throw std::invalid_argument("rows should be numbers with lists of ids");
      only.emplace(static_cast<int>(number), ids_of(pieces));
    }
    std::vector<Step> steps;
    {
      const Unlocked unlocked;
      steps = reinterpret_cast<SessionObject*>(object)->session->step(only);
    }
    PyObject* list = PyList_New(static_cast<Py_ssize_t>(steps.size()));
    for (std::size_t n = 0; list != nullptr && n < steps.size(); ++n) {
      PyObject* item = Py_BuildValue("iid", steps[n].row, steps[n].id, steps[n].log_prob);
      if (item == nullptr || PyList_SetItem(list, static_cast<Py_ssize_t>(n), item) != 0) {
        Py_DECREF(list);
        return nullptr;
      }
    }
    return list;
  });
}

PyObject* session_withhold(PyObject* object, PyObject* arguments) {
  int row = 0, piece = 0;
  if (!PyArg_ParseTuple(arguments, "ii", &row, &piece)) return nullptr;
  return guarded([&]() -> PyObject* {
    reinterpret_cast<SessionObject*>(object)->session->withhold(row, piece);
    Py_RETURN_NONE;
  });
}

void session_dealloc(PyObject* object) {
  auto* self = reinterpret_cast<SessionObject*>(object);
  PyTypeObject* type = Py_TYPE(object);
  self->session.~unique_ptr();
  Py_XDECREF(self->owner);
  reinterpret_cast<freefunc>(PyType_GetSlot(type, Py_tp_free))(object);
  Py_DECREF(type);
}

// One matrix of a model times vectors, as bytes of float32 [vectors, padded rows]; lets the kernels be tested alone.
PyObject* multiply(PyObject*, PyObject* arguments) {
  PyObject *buffer = nullptr, *table = nullptr, *vectors = nullptr;
  int rows = 0, columns = 0;
  const char *name = nullptr, *kernel = nullptr;
  if (!PyArg_ParseTuple(arguments, "OO!siiOs", &buffer, &PyDict_Type, &table, &name, &rows, &columns, &vectors, &kernel)) return nullptr;
  return guarded([&]() -> PyObject* {
    const Kernels* kernels = find_kernels(kernel);
    if (kernels == nullptr) throw std::invalid_argument("this processor does not run these kernels");
    const Mapping model(buffer), input(vectors);
    const Matrix matrix = FileTensors(model.view, table).matrix(name, rows, columns);
    const std::size_t width = static_cast<std::size_t>(columns), size = matrix.packed_size();
    const std::size_t count = static_cast<std::size_t>(input.view.len) / (4 * width), stride = static_cast<std::size_t>(matrix.padded_rows());
    const float* x = static_cast<const float*>(input.view.buf);
    std::vector<float> out(count * stride), units(count);
    std::vector<std::uint8_t> packed(count * size);
    if (matrix.quantized()) {
      for (std::size_t v = 0; v < count; ++v) units[v] = kernels->pack(x + v * width, columns, matrix.reach(), packed.data() + v * size);
      kernels->multiply_int8(matrix, packed.data(), units.data(), static_cast<int>(count), 0, matrix.panels(), false, out.data(), stride);
    } else {
      kernels->multiply_float(matrix, x, width, static_cast<int>(count), 0, matrix.panels(), false, out.data(), stride);
    }
    return PyBytes_FromStringAndSize(reinterpret_cast<const char*>(out.data()), static_cast<Py_ssize_t>(4 * out.size()));
  });
}

PyObject* kernel_names(PyObject*, PyObject*) {
  PyObject* list = PyList_New(0);
  for (int n = 0; list != nullptr && available_kernels(n) != nullptr; ++n) {
    PyObject* name = PyUnicode_FromString(available_kernels(n)->name);
    if (name == nullptr || PyList_Append(list, name) != 0) {
      Py_XDECREF(name);
      Py_CLEAR(list);
    } else {
      Py_DECREF(name);
    }
  }
  return list;
}

PyMethodDef network_methods[] = {{"start", network_start, METH_VARARGS, nullptr}, {nullptr, nullptr, 0, nullptr}};
PyGetSetDef network_properties[] = {{"kernels", network_kernels, nullptr, nullptr, nullptr}, {nullptr, nullptr, nullptr, nullptr, nullptr}};
PyType_Slot network_slots[] = {{Py_tp_new, reinterpret_cast<void*>(network_new)},
                               {Py_tp_dealloc, reinterpret_cast<void*>(network_dealloc)},
                               {Py_tp_methods, network_methods},
                               {Py_tp_getset, network_properties},
                               {0, nullptr}};
PyType_Spec network_spec = {"promptopt.engine._native.Network", sizeof(NetworkObject), 0, Py_TPFLAGS_DEFAULT, network_slots};

PyMethodDef session_methods[] = {{"step", session_step, METH_VARARGS, nullptr},
                                 {"withhold", session_withhold, METH_VARARGS, nullptr},
                                 {nullptr, nullptr, 0, nullptr}};
PyType_Slot session_slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(session_dealloc)}, {Py_tp_methods, session_methods}, {0, nullptr}};
PyType_Spec session_spec = {"promptopt.engine._native.Session", sizeof(SessionObject), 0,
                            Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, session_slots};

PyMethodDef module_methods[] = {{"kernel_names", kernel_names, METH_NOARGS, nullptr},
                               {"multiply", multiply, METH_VARARGS, nullptr},
                               {nullptr, nullptr, 0, nullptr}};
PyModuleDef module = {PyModuleDef_HEAD_INIT, "_native", nullptr, -1, module_methods, nullptr, nullptr, nullptr, nullptr};

}  // namespace

PyMODINIT_FUNC PyInit__native() {
  PyObject* created = PyModule_Create(&module);
  PyObject* network = PyType_FromSpec(&network_spec);
  session_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&session_spec));
  if (created == nullptr || network == nullptr || session_type == nullptr || PyModule_AddObjectRef(created, "Network", network) != 0) return nullptr;
  Py_DECREF(network);
  return created;
}
