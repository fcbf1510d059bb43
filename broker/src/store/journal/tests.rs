mod full_disk;
mod power_cut;
mod speed;
mod start;
