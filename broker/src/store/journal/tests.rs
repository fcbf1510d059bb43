mod full_disk;
mod power_cut;
mod reuse;
mod speed;
mod start;
