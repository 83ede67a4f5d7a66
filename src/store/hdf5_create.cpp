#include "store/hdf5_create.hpp"

#include <algorithm>

#include "job/error.hpp"

namespace shardmill::store {
namespace {

Hdf5Handle create(hid_t parent, const std::string& name, hid_t type, hid_t space, hid_t creation,
                  const std::filesystem::path& path) {
  H5Pset_obj_track_times(creation, false);  // the same content gives the same file
  const Hdf5Handle link(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
  H5Pset_create_intermediate_group(link.get(), 1);
  Hdf5Handle dataset(H5Dcreate2(parent, name.c_str(), type, space, link.get(), creation, H5P_DEFAULT), H5Dclose);
  check_created(static_cast<bool>(dataset), path, "'" + name + "'");
  return dataset;
}

}  // namespace

void check_created(bool ok, const std::filesystem::path& path, const std::string& doing) {
  if (!ok) throw StoreError("cannot create " + path.string() + ": " + doing + ": " + hdf5_error());
}

Hdf5Handle create_fixed(hid_t parent, const std::string& name, hid_t type, const std::vector<hsize_t>& dims,
                        const std::filesystem::path& path) {
  const Hdf5Handle creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  H5Pset_layout(creation.get(), H5D_CONTIGUOUS);
  H5Pset_alloc_time(creation.get(), H5D_ALLOC_TIME_EARLY);
  H5Pset_fill_time(creation.get(), H5D_FILL_TIME_NEVER);
  const Hdf5Handle space(H5Screate_simple(static_cast<int>(dims.size()), dims.data(), nullptr), H5Sclose);
  return create(parent, name, type, space.get(), creation.get(), path);
}

Hdf5Handle create_text(hid_t parent, const std::string& name, const std::string& text,
                       const std::filesystem::path& path) {
  const Hdf5Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(type.get(), std::max<std::size_t>(text.size(), 1));
  H5Tset_strpad(type.get(), H5T_STR_NULLPAD);
  H5Tset_cset(type.get(), H5T_CSET_UTF8);
  const Hdf5Handle creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  const Hdf5Handle space(H5Screate(H5S_SCALAR), H5Sclose);
  Hdf5Handle dataset = create(parent, name, type.get(), space.get(), creation.get(), path);
  const std::string bytes = text.empty() ? std::string(1, '\0') : text;
  check_created(H5Dwrite(dataset.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data()) >= 0, path,
                "'" + name + "'");
  return dataset;
}

}  // namespace shardmill::store
