// The extension module: registers the bindings and translates exceptions.
#include "bindings/bind.h"
#include "core/backend.h"
#include "core/libraries.h"

namespace alexnet {
namespace {

void bind_errors(py::module_& m) {
  static py::exception<Error> base(m, "AlexnetError", PyExc_RuntimeError);
  static py::exception<DeviceError> device(m, "DeviceError", base.ptr());
  static py::exception<UnavailableError> unavailable(m, "UnavailableError", base.ptr());
  base.attr("__doc__") = "An error of the native core; the other errors here derive from it.";
  device.attr("__doc__") = "A device failed; the message names the call and the device.";
  unavailable.attr("__doc__") =
      "A device, library or communicator is not available; the message says why.";
  py::register_exception_translator([](std::exception_ptr p) {
    try {
      if (p) std::rethrow_exception(p);
    } catch (const ConfigError& e) {
      py::set_error(PyExc_ValueError, e.what());
    } catch (const ShapeError& e) {
      py::set_error(PyExc_ValueError, e.what());
    } catch (const DeviceError& e) {
      py::set_error(device, e.what());
    } catch (const UnavailableError& e) {
      py::set_error(unavailable, e.what());
    } catch (const Error& e) {
      py::set_error(base, e.what());
    }
  });
}

void bind_library_folders() {
  set_library_folders([] {
    const py::gil_scoped_acquire gil;
    const auto libraries = py::module_::import("alexnet_native.libraries");
    return libraries.attr("library_folders")().cast<std::vector<std::string>>();
  });
}

}  // namespace
}  // namespace alexnet

PYBIND11_MODULE(_core, m) {
  m.doc() = "The native core of alexnet-native; use alexnet_native.Net.";
  m.attr("__version__") = ANX_VERSION;
  alexnet::bind_errors(m);
  alexnet::bind_library_folders();
  alexnet::bind_network(m);
  alexnet::bind_layer_runner(m);
  alexnet::bind_tools(m);
  alexnet::bind_images(m);
  alexnet::bind_loader(m);
}
