// page_files_test.cc -- pages on disk: whole and right, or not there.
#include "cache/page_files.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "tests/unit/faulty_files.h"

namespace heed {
namespace {

constexpr std::size_t kPage = 5000, kFile = kPage + 96;

std::string name_of(int i) {
  std::string name(64, '0');
  for (std::size_t at = 64; i > 0; i /= 16) name[--at] = "0123456789abcdef"[i % 16];
  return name;
}

std::vector<std::byte> page_of(int i) {
  std::mt19937 random(static_cast<std::uint32_t>(i));
  std::vector<std::byte> page(kPage);
  for (std::byte& b : page) b = static_cast<std::byte>(random());
  return page;
}

class PageFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory = ::testing::TempDir() + "heed_pages_" + std::to_string(::getpid()) + "_" +
                ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(directory);
  }
  void TearDown() override { std::filesystem::remove_all(directory); }
  std::unique_ptr<PageFiles> open(std::int64_t limit = 1 << 20, FileLayer& files = system_files()) {
    auto opened = PageFiles::open(directory, limit, files);
    EXPECT_TRUE(opened) << opened.error().text;
    return opened ? std::move(*opened) : nullptr;
  }
  bool is_right(PageFiles& files, int i) {
    std::vector<std::byte> page(kPage);
    if (!files.read(name_of(i), page)) return false;
    EXPECT_EQ(page, page_of(i)) << "a wrong page";
    return true;
  }
  std::string path(int i) const { return directory + "/" + name_of(i); }

  std::string directory;
};

TEST_F(PageFilesTest, PagesComeBackAfterAReopen) {
  {
    const auto files = open();
    for (int i = 1; i <= 20; ++i) files->keep(name_of(i), page_of(i));
    files->flush();
    EXPECT_EQ(files->stats().pages, 20);
    EXPECT_EQ(files->stats().bytes, 20 * static_cast<std::int64_t>(kFile));
    files->keep(name_of(21), page_of(21));  // written while it closes
  }
  const auto files = open();
  for (int i = 1; i <= 21; ++i) EXPECT_TRUE(is_right(*files, i)) << i;
  EXPECT_FALSE(files->has(name_of(22)));
  EXPECT_FALSE(is_right(*files, 22));
  EXPECT_EQ(files->stats().read, 21);
}

TEST_F(PageFilesTest, DamageIsNoticedWhereverItIs) {
  const auto files = open();
  for (std::size_t at : {std::size_t{0}, std::size_t{9}, std::size_t{17}, std::size_t{30}, std::size_t{40},
                         std::size_t{96}, std::size_t{97}, kFile / 2, kFile - 1}) {
    files->keep(name_of(7), page_of(7));
    files->flush();
    std::fstream file(path(7), std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const auto old = static_cast<char>(file.get());
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(old ^ 1));
    file.close();
    EXPECT_FALSE(is_right(*files, 7)) << at;
    EXPECT_FALSE(std::filesystem::exists(path(7)));
  }
  for (std::size_t bytes : {std::size_t{0}, std::size_t{50}, std::size_t{96}, kFile - 1, kFile + 1}) {
    files->keep(name_of(7), page_of(7));
    files->flush();
    std::filesystem::resize_file(path(7), bytes);
    EXPECT_FALSE(is_right(*files, 7)) << bytes;
  }
  EXPECT_EQ(files->stats().damaged, 14);
  EXPECT_EQ(files->stats().pages, 0);
}

TEST_F(PageFilesTest, APageUnderAnotherNameIsNotUsed) {
  const auto files = open();
  files->keep(name_of(1), page_of(1));
  files->flush();
  std::filesystem::rename(path(1), path(2));
  const auto again = open();
  EXPECT_TRUE(again->has(name_of(2)));
  EXPECT_FALSE(is_right(*again, 2));
}

TEST_F(PageFilesTest, TheLeastRecentlyUsedGoFirst) {
  const auto files = open(10 * kFile);
  for (int i = 1; i <= 10; ++i) {
    files->keep(name_of(i), page_of(i));
    files->flush();
  }
  EXPECT_TRUE(is_right(*files, 1));
  for (int i = 11; i <= 13; ++i) files->keep(name_of(i), page_of(i));
  files->flush();
  EXPECT_LE(files->stats().bytes, 10 * static_cast<std::int64_t>(kFile));
  for (int i : {2, 3, 4}) EXPECT_FALSE(files->has(name_of(i))) << i;
  for (int i : {1, 5, 10, 13}) EXPECT_TRUE(is_right(*files, i)) << i;
  const auto smaller = open(3 * kFile);
  EXPECT_EQ(smaller->stats().pages, 3);
  smaller->keep(name_of(50), std::vector<std::byte>(4 * kFile));
  EXPECT_EQ(smaller->stats().dropped, 1);
}

TEST_F(PageFilesTest, FailedWritesLeaveNothing) {
  FaultyFiles faulty;
  const auto files = open(1 << 20, faulty);
  faulty.fail_write = 1;
  files->keep(name_of(1), page_of(1));
  files->flush();
  faulty.fail_rename = 1;
  files->keep(name_of(2), page_of(2));
  files->flush();
  faulty.free = 0;
  files->keep(name_of(3), page_of(3));
  files->flush();
  for (int i : {1, 2, 3}) EXPECT_FALSE(files->has(name_of(i))) << i;
  EXPECT_EQ(files->stats().dropped, 3);
  EXPECT_TRUE(std::filesystem::is_empty(directory));
}

TEST_F(PageFilesTest, WhatACrashLeftIsRemovedOnceItIsOld) {
  std::filesystem::create_directories(directory);
  const std::string old = directory + "/." + name_of(1) + ".1", fresh = directory + "/." + name_of(2) + ".2";
  std::ofstream(old) << "half";
  std::ofstream(fresh) << "half";
  std::filesystem::last_write_time(old, std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
  const auto files = open();
  EXPECT_FALSE(std::filesystem::exists(old));
  EXPECT_TRUE(std::filesystem::exists(fresh));
  EXPECT_EQ(files->stats().pages, 0);
}

TEST_F(PageFilesTest, NamesThatAreNoDigestAreNotKept) {
  const auto files = open();
  for (const std::string& name : {std::string(), std::string("../x"), std::string(64, 'g'), std::string(63, '0')})
    files->keep(name, page_of(1));
  files->flush();
  EXPECT_EQ(files->stats().written, 0);
}

}  // namespace
}  // namespace heed
