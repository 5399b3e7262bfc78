# Installing and the CMake package.
