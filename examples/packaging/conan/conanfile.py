"""memmgr for Conan 2: conan create examples/packaging/conan. What stands between two @ is to be
filled in: see ../README.md."""

import os

from conan import ConanFile
from conan.tools.files import copy, get
from conan.tools.layout import basic_layout


class MemmgrConan(ConanFile):
    name = "memmgr"
    version = "1.0.0"
    description = "A memory manager in one file"
    license = "MIT"
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"use_memory_mgr": [True, False]}
    default_options = {"use_memory_mgr": False}
    no_copy_source = True

    def layout(self):
        basic_layout(self, src_folder="src")

    def package_id(self):
        self.info.clear()

    def source(self):
        get(self, url="@MEMMGR_URL@", sha256="@MEMMGR_SHA256@", strip_root=True)

    def package(self):
        copy(self, "memmgr.h", self.source_folder, os.path.join(self.package_folder, "include"))
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))

    def package_info(self):
        self.cpp_info.bindirs = []
        self.cpp_info.libdirs = []
        self.cpp_info.set_property("cmake_file_name", "memmgr")
        self.cpp_info.set_property("cmake_target_name", "memmgr::memmgr")
        self.cpp_info.set_property("pkg_config_name", "memmgr")
        if self.options.use_memory_mgr:
            self.cpp_info.defines = ["USE_MEMORY_MGR"]
        if self.settings.os in ("Linux", "FreeBSD"):
            self.cpp_info.system_libs = ["pthread"]
