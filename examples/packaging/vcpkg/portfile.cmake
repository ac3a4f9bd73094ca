# An overlay port: vcpkg install memmgr --overlay-ports=examples/packaging. What stands between two
# @ is to be filled in: see ../README.md.
vcpkg_download_distfile(archive
    URLS "@MEMMGR_URL@"
    FILENAME "memmgr-${VERSION}.tar.gz"
    SHA512 @MEMMGR_SHA512@)
vcpkg_extract_source_archive(source ARCHIVE "${archive}")

vcpkg_cmake_configure(SOURCE_PATH "${source}/examples/packaging/project")
vcpkg_cmake_install()

# A header is the same in every configuration.
file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/debug")
vcpkg_install_copyright(FILE_LIST "${source}/LICENSE")
