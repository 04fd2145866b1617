#include "command.hpp"

int main(int argc, char** argv) { return bitwright::cli::run(argc, argv); }
